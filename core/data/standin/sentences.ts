import type { Random } from "../../random.ts";

const WORDS = {
  article: ["the", "a", "every", "one"],
  quality: ["small", "old", "quiet", "bright", "heavy", "distant"],
  thing: ["raven", "river", "house", "stone", "lantern", "garden", "ship", "road"],
  deed: ["sees", "follows", "holds", "passes", "remembers", "carries"],
  manner: ["slowly", "again", "at night", "in winter", "without a sound"],
} as const;

/** Tokens that stand for no word, as BERT has them. */
const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

function one<T>(words: readonly T[], random: Random): T {
  return words[random.integer(words.length)]!;
}

function clause(random: Random): string {
  const noun = () =>
    [
      one(WORDS.article, random),
      ...(random.uniform() < 0.6 ? [one(WORDS.quality, random)] : []),
      one(WORDS.thing, random),
    ].join(" ");
  const manner = random.uniform() < 0.4 ? ` ${one(WORDS.manner, random)}` : "";
  return `${noun()} ${one(WORDS.deed, random)} ${noun()}${manner}`;
}

/** Made-up text: `count` sentences by a small grammar, a document of some lines, an empty line. */
export function sentences(count: number, random: Random): string {
  const lines: string[] = [];
  for (let made = 0; made < count;) {
    const length = Math.min(count - made, 4 + random.integer(5));
    for (let i = 0; i < length; i++) lines.push(`${clause(random)} .`);
    lines.push("");
    made += length;
  }
  return lines.join("\n");
}

/** A `tokenizer.json` for {@link sentences}: word pieces, each word whole, letters for the rest. */
export function sentenceTokenizer(): string {
  const words = Object.values(WORDS).flat().flatMap((phrase) => phrase.split(" "));
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  const pieces = [...letters, ...letters.map((letter) => `##${letter}`)];
  const tokens = [...new Set([...SPECIAL, ".", ...words, ...pieces])];
  return JSON.stringify({
    version: "1.0",
    added_tokens: SPECIAL.map((content, id) => ({ id, content, special: true })),
    normalizer: { type: "BertNormalizer", clean_text: true, lowercase: true },
    pre_tokenizer: { type: "BertPreTokenizer" },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  });
}
