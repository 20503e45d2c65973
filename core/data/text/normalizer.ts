import { RavnError } from "../../error.ts";
import type { JsonObject } from "./json.ts";

/** Changes a text before it is cut into words. */
export type Normalize = (text: string) => string;

const FORMS: Readonly<Record<string, string>> = {
  NFC: "NFC",
  NFD: "NFD",
  NFKC: "NFKC",
  NFKD: "NFKD",
};

/** Marks that stand above or below letters. */
function withoutAccents(text: string): string {
  return text.normalize("NFD").replace(/\p{Mn}/gu, "");
}

/** Control characters go, white space becomes blanks (`BertNormalizer`, `clean_text`). */
function cleaned(text: string): string {
  return text.replace(/[\t\n\r]|\p{Zs}/gu, " ").replace(
    /[\0\ufffd]|\p{Cc}|\p{Cf}|\p{Co}|\p{Cn}/gu,
    "",
  );
}

/** First and last of the blocks of CJK ideographs, which BERT takes one by one. */
const BLOCKS = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b81f],
  [0x2b820, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
] as const;
const IDEOGRAPHS = new RegExp(
  `[${BLOCKS.map((block) => block.map((code) => String.fromCodePoint(code)).join("-")).join("")}]`,
  "gu",
);

function bert(options: JsonObject): Normalize {
  const lowercase = options["lowercase"] !== false;
  const strip = typeof options["strip_accents"] === "boolean"
    ? options["strip_accents"]
    : lowercase;
  return (text) => {
    if (options["clean_text"] !== false) text = cleaned(text);
    if (options["handle_chinese_chars"] !== false) text = text.replace(IDEOGRAPHS, " $& ");
    if (strip) text = withoutAccents(text);
    return lowercase ? text.toLowerCase() : text;
  };
}

/**
 * The normalizer of a tokenizer file: BertNormalizer, Lowercase, StripAccents, Strip, the Unicode
 * forms, Prepend, Replace of a text, and sequences of these.
 *
 * @throws {RavnError} naming the file and a kind that is unknown.
 */
export function normalizerOf(options: JsonObject | null, file: string): Normalize {
  if (options === null) return (text) => text;
  const type = String(options["type"]);
  const form = FORMS[type];
  if (form !== undefined) return (text) => text.normalize(form);
  switch (type) {
    case "BertNormalizer":
      return bert(options);
    case "Lowercase":
      return (text) => text.toLowerCase();
    case "StripAccents":
      return withoutAccents;
    case "Strip":
      return (text) => {
        const left = options["strip_left"] === false ? text : text.trimStart();
        return options["strip_right"] === false ? left : left.trimEnd();
      };
    case "Sequence": {
      const parts = (options["normalizers"] as JsonObject[]).map((part) =>
        normalizerOf(part, file)
      );
      return (text) => parts.reduce((changed, part) => part(changed), text);
    }
    default:
      throw new RavnError(
        `${file}: normalizer "${type}" is unknown; known are BertNormalizer, Lowercase, Strip, ` +
          `StripAccents, NFC, NFD, NFKC, NFKD, Sequence`,
      );
  }
}
