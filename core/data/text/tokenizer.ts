import { RavnError } from "../../error.ts";
import { readWhole } from "../read.ts";
import { isObject, type JsonObject } from "./json.ts";
import { normalizerOf } from "./normalizer.ts";
import { piecesOf, vocabularyOf } from "./pieces.ts";
import { wordsOf } from "./words.ts";

const FILE_BYTES_MAX = 2 ** 28;
/** Words whose tokens are remembered; a text's common words are far fewer. */
const REMEMBERED_MAX = 2 ** 17;

/** Turns text into token ids. */
export interface Tokenizer {
  /** File it was read from, or "bytes". */
  readonly source: string;
  /** One more than the largest id. */
  readonly vocabulary: number;
  /** Id of a token by its text, or undefined. */
  idOf(token: string): number | undefined;
  encode(text: string): number[];
}

/** What a configuration writes in the place of a tokenizer file for bytes as tokens. */
export const BYTES = "bytes";

/** Tokens of the byte tokenizer behind the 256 bytes. */
const BYTE_TOKENS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"];

/** A token a byte of the UTF-8 form; behind them `[PAD]`, `[CLS]`, `[SEP]` and `[MASK]`. */
export function byteTokenizer(): Tokenizer {
  const encoder = new TextEncoder();
  return {
    source: BYTES,
    vocabulary: 256 + BYTE_TOKENS.length,
    idOf: (token) => BYTE_TOKENS.includes(token) ? 256 + BYTE_TOKENS.indexOf(token) : undefined,
    encode: (text) => Array.from(encoder.encode(text)),
  };
}

/** Tokens that are found in a text as they stand, before it is cut into words. */
function addedTokens(content: JsonObject, file: string): Map<string, number> {
  const list = content["added_tokens"] ?? [];
  if (!Array.isArray(list)) throw new RavnError(`${file}: "added_tokens" is no list`);
  return new Map(list.map((token: unknown) => {
    if (isObject(token) && typeof token["content"] === "string" && Number.isInteger(token["id"])) {
      return [token["content"], Number(token["id"])];
    }
    throw new RavnError(`${file}: an added token has no "content" or "id"`);
  }));
}

function part(content: JsonObject, name: string, file: string): JsonObject | null {
  const value = content[name] ?? null;
  if (value === null || isObject(value)) return value;
  throw new RavnError(`${file}: "${name}" is no map of keys`);
}

/**
 * A tokenizer from the content of a `tokenizer.json`: normalizer, pre-tokenizer, model and added
 * tokens. Its post-processor is not applied: what stands around a sample is the task's.
 *
 * @throws {RavnError} naming the file and what is missing or unknown in it.
 */
export function parseTokenizer(text: string, file: string): Tokenizer {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (thrown) {
    throw new RavnError(`${file}: is no JSON`, { cause: thrown });
  }
  const model = isObject(content) ? content["model"] : undefined;
  if (!isObject(content) || !isObject(model)) {
    throw new RavnError(`${file}: is no tokenizer file; expected a key "model"`);
  }
  const vocabulary = vocabularyOf(model, file);
  const added = addedTokens(content, file);
  const normalize = normalizerOf(part(content, "normalizer", file), file);
  const words = wordsOf(part(content, "pre_tokenizer", file), file);
  const pieces = piecesOf(model, vocabulary, file);
  const remembered = new Map<string, readonly number[]>();
  const encodeWord = (word: string) => {
    let ids = remembered.get(word);
    if (ids === undefined) {
      if (remembered.size >= REMEMBERED_MAX) remembered.clear();
      remembered.set(word, ids = pieces(word));
    }
    return ids;
  };
  const encodePlain = (plain: string) => words(normalize(plain)).flatMap(encodeWord);
  const escaped = [...added.keys()].filter((token) => token !== "")
    .sort((a, b) => b.length - a.length).map((token) =>
      token.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
    );
  const special = escaped.length === 0 ? undefined : new RegExp(`(${escaped.join("|")})`, "u");
  const ids = [...vocabulary.values(), ...added.values()];
  return {
    source: file,
    vocabulary: ids.reduce((most, id) => Math.max(most, id), -1) + 1,
    idOf: (token) => added.get(token) ?? vocabulary.get(token),
    encode: (whole) =>
      special === undefined
        ? encodePlain(whole)
        : whole.split(special).flatMap((piece, i) =>
          i % 2 === 1 ? [added.get(piece)!] : piece === "" ? [] : encodePlain(piece)
        ),
  };
}

/**
 * Reads the tokenizer that a configuration names: a `tokenizer.json`, or `bytes`.
 *
 * @throws {RavnError} naming the file where it is missing or not understood.
 */
export async function readTokenizer(source: string): Promise<Tokenizer> {
  if (source === BYTES) return byteTokenizer();
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readWhole(source, FILE_BYTES_MAX);
  } catch (thrown) {
    if (!(thrown instanceof RavnError)) throw thrown;
    throw new RavnError(`tokenizer ${thrown.message}; or write tokenizer: bytes`, {
      cause: thrown,
    });
  }
  return parseTokenizer(new TextDecoder().decode(bytes), source);
}
