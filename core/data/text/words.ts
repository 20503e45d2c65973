import { RavnError } from "../../error.ts";
import type { JsonObject } from "./json.ts";

/** Cuts a text into the pieces that are turned into tokens one by one. */
export type SplitWords = (text: string) => string[];

/** Words of GPT-2 (Radford et al. 2019): with the blank before them, digits and signs apart. */
const GPT2 = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Signs that BERT takes one by one: punctuation, and all of ASCII that is no letter or digit. */
const BERT = /[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+/gu;

/**
 * The letter that stands for each byte in byte-level vocabularies: printable ones for themselves,
 * the others from U+0100 on (GPT-2's `bytes_to_unicode`).
 */
export const BYTE_LETTERS: readonly string[] = byteLetters();

function byteLetters(): string[] {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
}

const encoder = new TextEncoder();

function inByteLetters(word: string): string {
  let letters = "";
  for (const byte of encoder.encode(word)) letters += BYTE_LETTERS[byte];
  return letters;
}

function matches(pattern: RegExp): SplitWords {
  return (text) => text.match(pattern) ?? [];
}

function byteLevel(options: JsonObject): SplitWords {
  const split = options["use_regex"] === false ? (text: string) => [text] : matches(GPT2);
  return (text) => {
    const start = options["add_prefix_space"] === true && !/^\s/.test(text) ? " " : "";
    return split(start + text).map(inByteLetters);
  };
}

/** `Split` by a pattern: what matches stands alone, or is left out. */
function splitBy(options: JsonObject, file: string): SplitWords {
  const pattern = options["pattern"] as { Regex?: string; String?: string } | undefined;
  const behavior = String(options["behavior"]);
  const text = pattern?.Regex ?? pattern?.String?.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  let expression: RegExp;
  try {
    expression = new RegExp(text ?? "", "gu");
  } catch (thrown) {
    throw new RavnError(`${file}: cannot read the pattern of its Split`, { cause: thrown });
  }
  if (text === undefined || !["Isolated", "Removed"].includes(behavior)) {
    throw new RavnError(
      `${file}: Split with behavior "${behavior}" is unknown; Isolated or Removed`,
    );
  }
  return (whole) => {
    const pieces: string[] = [];
    let end = 0;
    for (const match of whole.matchAll(expression)) {
      if (match.index > end) pieces.push(whole.slice(end, match.index));
      if (behavior === "Isolated" && match[0] !== "") pieces.push(match[0]);
      end = match.index + match[0].length;
    }
    if (end < whole.length) pieces.push(whole.slice(end));
    return pieces;
  };
}

/**
 * The pre-tokenizer of a tokenizer file: ByteLevel, BertPreTokenizer, Whitespace, WhitespaceSplit,
 * Split, and sequences of these.
 *
 * @throws {RavnError} naming the file and a kind that is unknown.
 */
export function wordsOf(options: JsonObject | null, file: string): SplitWords {
  if (options === null) return (text) => text === "" ? [] : [text];
  const type = String(options["type"]);
  switch (type) {
    case "ByteLevel":
      return byteLevel(options);
    case "BertPreTokenizer":
      return matches(BERT);
    case "Whitespace":
      return matches(/[\p{L}\p{M}\p{N}\p{Pc}]+|[^\p{L}\p{M}\p{N}\p{Pc}\s]+/gu);
    case "WhitespaceSplit":
      return matches(/\S+/gu);
    case "Split":
      return splitBy(options, file);
    case "Sequence": {
      const parts = (options["pretokenizers"] as JsonObject[]).map((part) => wordsOf(part, file));
      return (text) => parts.reduce((pieces, part) => pieces.flatMap(part), [text]);
    }
    default:
      throw new RavnError(
        `${file}: pre_tokenizer "${type}" is unknown; known are ByteLevel, BertPreTokenizer, ` +
          `Whitespace, WhitespaceSplit, Split, Sequence`,
      );
  }
}
