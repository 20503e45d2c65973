import { RavnError } from "../../error.ts";
import { readWhole } from "../read.ts";
import { expandPattern } from "../pattern.ts";
import type { Column } from "../column.ts";
import type { MaskedRecipe } from "../made/recipe.ts";
import { NOT_GUESSED } from "../made/masked.ts";
import { keptTokens } from "./kept_tokens.ts";
import type { TokenFolder } from "./kept_tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Text files as samples of a language model. */
export interface TextOptions {
  /** File, or a pattern with `*`. */
  readonly source: string;
  readonly tokenizer: Tokenizer;
  /** Tokens of a sample. */
  readonly blockSize: number;
  /** Where tokens are kept between starts; nowhere if absent. */
  readonly kept?: TokenFolder | undefined;
}

/** Token ids of the text, laid out as `layout` says: kept ones, or made ones. */
function tokensOf(
  { source, tokenizer, kept }: TextOptions,
  layout: string,
  make: () => Promise<readonly Int32Array<ArrayBuffer>[]>,
): Promise<readonly Int32Array<ArrayBuffer>[]> {
  return keptTokens({ source, tokenizer: tokenizer.source, layout }, kept, make);
}

/** Grows by doubling; ids are 32-bit integers. */
class Tokens {
  #ids = new Int32Array(2 ** 16);
  length = 0;

  push(ids: readonly number[]): void {
    if (this.length + ids.length > this.#ids.length) {
      const grown = new Int32Array(Math.max(2 * this.#ids.length, this.length + ids.length));
      grown.set(this.#ids.subarray(0, this.length));
      this.#ids = grown;
    }
    this.#ids.set(ids, this.length);
    this.length += ids.length;
  }

  get ids(): Int32Array<ArrayBuffer> {
    return this.#ids.subarray(0, this.length);
  }
}

/** Lines of the files, each with its end. */
async function* linesOf(source: string): AsyncGenerator<string> {
  for (const file of await expandPattern(source)) {
    const bytes = await readWhole(file);
    const decoder = new TextDecoder();
    for (let start = 0; start < bytes.length;) {
      const end = bytes.indexOf(10, start) + 1 || bytes.length;
      yield decoder.decode(bytes.subarray(start, end));
      start = end;
    }
  }
}

function column(source: string, ids: Int32Array<ArrayBuffer>, width: number): Column {
  const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
  return { source, dtype: "int32", dims: [width], count: ids.length / width, bytes };
}

/** Token ids and, for each, the one to be guessed. */
export interface NextTokenColumns {
  readonly inputs: Column;
  readonly labels: Column;
}

/**
 * The text as one stream of tokens, cut into windows of `blockSize` that do not overlap; the label
 * of a token is the next one, i.e. the same stream from its second token on.
 *
 * @throws {RavnError} naming the file, where it is shorter than a window.
 */
export async function readWindows(o: TextOptions): Promise<NextTokenColumns> {
  const [tokens] = await tokensOf(o, "stream", async () => {
    const made = new Tokens();
    for await (const line of linesOf(o.source)) made.push(o.tokenizer.encode(line));
    return [made.ids];
  });
  const windows = Math.floor((tokens!.length - 1) / o.blockSize);
  if (windows < 1) {
    throw new RavnError(
      `${o.source}: has ${tokens!.length} tokens; expected at least ${o.blockSize + 1} for a ` +
        `block_size of ${o.blockSize}`,
    );
  }
  const length = windows * o.blockSize;
  return {
    inputs: column(o.source, tokens!.subarray(0, length), o.blockSize),
    labels: column(o.source, tokens!.subarray(1, length + 1), o.blockSize),
  };
}

/**
 * One sample a line that is not empty: its first `blockSize` tokens, filled up with the padding
 * token; the label of a token is the next one, and {@link NOT_GUESSED} behind the last.
 *
 * @throws {RavnError} naming the file, where it has no lines.
 */
export async function readLines(o: TextOptions): Promise<NextTokenColumns> {
  const { blockSize } = o;
  const layout = `lines of ${blockSize}`;
  const [inputs, labels] = await tokensOf(o, layout, () => padded(o));
  if (inputs!.length === 0) throw new RavnError(`${o.source}: holds no lines of text`);
  return {
    inputs: column(o.source, inputs!, blockSize),
    labels: column(o.source, labels!, blockSize),
  };
}

/** Inputs and labels of all lines. */
async function padded(
  { source, tokenizer, blockSize }: TextOptions,
): Promise<Int32Array<ArrayBuffer>[]> {
  const [inputs, labels] = [new Tokens(), new Tokens()];
  const pad = tokenizer.idOf("[PAD]") ?? tokenizer.idOf("<|endoftext|>") ?? 0;
  for await (const line of linesOf(source)) {
    const text = line.replace(/\r?\n$/, "");
    if (text.trim() === "") continue;
    const ids = tokenizer.encode(text).slice(0, blockSize + 1);
    const place = (i: number, id: number | undefined, otherwise: number) =>
      i < ids.length ? id! : otherwise;
    const every = Array.from({ length: blockSize }, (_, i) => i);
    inputs.push(every.map((i) => place(i, ids[i], pad)));
    labels.push(every.map((i) => place(i + 1, ids[i + 1], NOT_GUESSED)));
  }
  return [inputs.ids, labels.ids];
}

/** Sentence ends: a full stop, question or exclamation mark, then white space. */
const SENTENCE_END = /(?<=[.!?])\s+/;

/** Segments of at most `most` tokens, of whole sentences where they fit. */
function segmentsOf(lines: readonly string[], tokenizer: Tokenizer, most: number): number[][] {
  const segments: number[][] = [];
  let open: number[] = [];
  for (const sentence of lines.flatMap((line) => line.split(SENTENCE_END))) {
    const ids = tokenizer.encode(sentence);
    if (open.length > 0 && open.length + ids.length > most) {
      segments.push(open);
      open = [];
    }
    open.push(...ids);
    while (open.length > most) segments.push(open.splice(0, most));
  }
  if (open.length > 0) segments.push(open);
  const [only] = segments;
  if (segments.length === 1 && only!.length > 1) {
    const half = only!.length >> 1;
    return [only!.slice(0, half), only!.slice(half)];
  }
  return segments;
}

function specialTokens({ idOf, source }: Tokenizer): MaskedRecipe["special"] {
  const of = (names: readonly string[]): number => {
    const id = names.map((name) => idOf(name)).find((found) => found !== undefined);
    if (id !== undefined) return id;
    throw new RavnError(`${source}: has no token ${names.join(" or ")}, which masking needs`);
  };
  return {
    pad: of(["[PAD]", "<pad>"]),
    cls: of(["[CLS]", "<s>"]),
    sep: of(["[SEP]", "</s>"]),
    mask: of(["[MASK]", "<mask>"]),
  };
}

/**
 * Pairs of segments that follow each other in a document, for masked language modelling. Documents
 * are parted by empty lines. A pair with its three special tokens fits into `blockSize`.
 *
 * @param share of the tokens that is to be guessed
 * @throws {RavnError} naming the file, where it has no two segments, or the tokenizer no `[MASK]`.
 */
export async function readPairs(o: TextOptions, share: number): Promise<MaskedRecipe> {
  const special = specialTokens(o.tokenizer);
  const most = Math.floor((o.blockSize - 3) / 2);
  if (most < 1) {
    throw new RavnError(`${o.source}: block_size ${o.blockSize} is too small; 5 at least`);
  }
  const [tokens, pairs] = await tokensOf(o, `pairs of ${o.blockSize}`, () => paired(o, most));
  if (pairs!.length === 0) throw new RavnError(`${o.source}: holds no two pieces of text to pair`);
  return {
    kind: "masked",
    tokens: shared(tokens!),
    pairs: shared(pairs!),
    blockSize: o.blockSize,
    vocabulary: o.tokenizer.vocabulary,
    special,
    share,
  };
}

/** The tokens of all pairs of segments of at most `most` tokens, and where they lie in them. */
async function paired(
  { source, tokenizer }: TextOptions,
  most: number,
): Promise<Int32Array<ArrayBuffer>[]> {
  const [tokens, pairs] = [new Tokens(), new Tokens()];
  const close = (document: readonly string[]) => {
    const segments = segmentsOf(document, tokenizer, most);
    for (let i = 0; i + 1 < segments.length; i += 2) {
      const [first, second] = [segments[i]!, segments[i + 1]!];
      const start = tokens.length;
      tokens.push(first);
      tokens.push(second);
      pairs.push([start, start + first.length, tokens.length]);
    }
  };
  const document: string[] = [];
  for await (const line of linesOf(source)) {
    if (line.trim() !== "") document.push(line.trim());
    else close(document.splice(0));
  }
  close(document);
  return [tokens.ids, pairs.ids];
}

function shared(ids: Int32Array): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(ids.byteLength);
  new Int32Array(buffer).set(ids);
  return buffer;
}
