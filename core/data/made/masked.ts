import type { Random } from "../../random.ts";
import { type Make, sampleRandom } from "./pictures.ts";
import type { MaskedRecipe, Recipe } from "./recipe.ts";
import { type Ring, type Write, writerOf } from "./ring.ts";

/** Label of a token that is not to be guessed; PyTorch's default `ignore_index`. */
export const NOT_GUESSED = -100;

/** Names of what a masked sample consists of, as Hugging Face's BERT calls them. */
export const MASKED_FIELDS = {
  inputs: ["input_ids", "token_type_ids", "attention_mask"],
  labels: ["labels", "next_sentence_label"],
} as const;

const nowhere: Write = () => {};

/**
 * How samples for masked language modelling and sentence order are made (Devlin et al. 2018, 3.1;
 * the order of the two segments as Lan et al. 2019): `[CLS] A [SEP] B [SEP]`, padded; with
 * probability ½ A and B change places (label 1). A share of the tokens is to be guessed: of these
 * 80 % become `[MASK]`, 10 % a random token, 10 % stay. Every sample has one at least.
 */
export function makeMasked({ seed }: Recipe, how: MaskedRecipe, ring: Ring): Make {
  const writers = new Map(ring.lanes.map((lane) => [lane.name, writerOf(ring, lane)]));
  const of = (name: string) => writers.get(name) ?? nowhere;
  const [ids, types, attention] = MASKED_FIELDS.inputs.map(of) as [Write, Write, Write];
  const [labels, order] = MASKED_FIELDS.labels.map(of) as [Write, Write];
  const [tokens, pairs] = [new Int32Array(how.tokens), new Int32Array(how.pairs)];
  const { blockSize, special, share } = how;
  const line = new Int32Array(blockSize);
  const guessed = new Int32Array(blockSize);
  const random = sampleRandom(seed);
  return (slot, sample, epoch) => {
    const draw = random(epoch, sample);
    const swapped = draw.uniform() < 0.5;
    const [start, middle, end] = [0, 1, 2].map((i) => pairs[3 * sample + i]!) as Triple;
    const first = swapped ? tokens.subarray(middle, end) : tokens.subarray(start, middle);
    const second = swapped ? tokens.subarray(start, middle) : tokens.subarray(middle, end);
    const length = first.length + second.length + 3;
    line[0] = special.cls;
    line.set(first, 1);
    const parting = 1 + first.length;
    line[parting] = special.sep;
    line.set(second, parting + 1);
    line[length - 1] = special.sep;
    choose(guessed, { length, parting, share }, draw);
    for (let i = 0; i < blockSize; i++) {
      const at = slot * blockSize + i;
      const inside = i < length;
      const guess = inside && guessed[i] === 1;
      const id = inside ? line[i]! : special.pad;
      labels(at, guess ? id : NOT_GUESSED);
      ids(at, guess ? disguised(id, how, draw) : id);
      types(at, inside && i > parting ? 1 : 0);
      attention(at, inside ? 1 : 0);
    }
    order(slot, swapped ? 1 : 0);
  };
}

type Triple = [start: number, middle: number, end: number];

/** Draws which tokens are to be guessed; never the special ones, and at least one. */
function choose(
  guessed: Int32Array,
  o: { readonly length: number; readonly parting: number; readonly share: number },
  draw: Random,
): void {
  let chosen = 0;
  for (let i = 0; i < o.length; i++) {
    const special = i === 0 || i === o.parting || i === o.length - 1;
    guessed[i] = !special && draw.uniform() < o.share ? 1 : 0;
    chosen += guessed[i]!;
  }
  if (chosen === 0) guessed[1 + draw.integer(o.parting - 1)] = 1;
}

/** What stands in the place of a token that is to be guessed. */
function disguised(id: number, { special, vocabulary }: MaskedRecipe, draw: Random): number {
  const fate = draw.uniform();
  if (fate < 0.8) return special.mask;
  return fate < 0.9 ? draw.integer(vocabulary) : id;
}
