import { RavnError } from "../../error.ts";
import { isObject, type JsonObject } from "./json.ts";

/** Token ids of one word. */
export type EncodeWord = (word: string) => readonly number[];

/** A token by its text. */
export type Vocabulary = ReadonlyMap<string, number>;

function unknownId(model: JsonObject, vocabulary: Vocabulary): number | undefined {
  const unknown = model["unk_token"];
  return typeof unknown === "string" ? vocabulary.get(unknown) : undefined;
}

function unknownWord(word: string, file: string): RavnError {
  return new RavnError(
    `${file}: has no token for ${JSON.stringify(word.slice(0, 40))} and no unk_token`,
  );
}

/** The longest piece first, again and again (WordPiece: Wu et al. 2016; BERT's tokenizer). */
function wordPiece(model: JsonObject, vocabulary: Vocabulary, file: string): EncodeWord {
  const prefix = String(model["continuing_subword_prefix"] ?? "##");
  const charsMax = Number(model["max_input_chars_per_word"] ?? 100);
  const unknown = unknownId(model, vocabulary);
  return (word) => {
    const letters = [...word];
    const ids: number[] = [];
    for (let start = 0; start < letters.length && letters.length <= charsMax;) {
      let end = letters.length;
      let id: number | undefined;
      for (; end > start; end--) {
        const piece = (start > 0 ? prefix : "") + letters.slice(start, end).join("");
        id = vocabulary.get(piece);
        if (id !== undefined) break;
      }
      if (id === undefined) break;
      ids.push(id);
      start = end;
      if (start === letters.length) return ids;
    }
    if (unknown === undefined) throw unknownWord(word, file);
    return [unknown];
  };
}

function ranksOf(merges: unknown, file: string): Map<string, number> {
  const ranks = new Map<string, number>();
  if (!Array.isArray(merges)) throw new RavnError(`${file}: its BPE model has no list "merges"`);
  merges.forEach((merge: unknown, rank) => {
    const pair = Array.isArray(merge) ? merge.join(" ") : String(merge);
    if (!ranks.has(pair)) ranks.set(pair, rank);
  });
  return ranks;
}

/** Joins the pair that was learned first, until none is left (Sennrich et al. 2016). */
function bytePairs(model: JsonObject, vocabulary: Vocabulary, file: string): EncodeWord {
  if (model["byte_fallback"] === true) {
    throw new RavnError(`${file}: a BPE model with byte_fallback is not read; expected byte-level`);
  }
  const ranks = ranksOf(model["merges"], file);
  const unknown = unknownId(model, vocabulary);
  const whole = model["ignore_merges"] === true;
  return (word) => {
    const known = whole ? vocabulary.get(word) : undefined;
    if (known !== undefined) return [known];
    const parts = [...word];
    for (;;) {
      let [best, at] = [Infinity, -1];
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = ranks.get(`${parts[i]} ${parts[i + 1]}`);
        if (rank !== undefined && rank < best) [best, at] = [rank, i];
      }
      if (at < 0) break;
      parts.splice(at, 2, parts[at]! + parts[at + 1]!);
    }
    return parts.map((part) => {
      const id = vocabulary.get(part) ?? unknown;
      if (id === undefined) throw unknownWord(part, file);
      return id;
    });
  };
}

function wholeWords(model: JsonObject, vocabulary: Vocabulary, file: string): EncodeWord {
  const unknown = unknownId(model, vocabulary);
  return (word) => {
    const id = vocabulary.get(word) ?? unknown;
    if (id === undefined) throw unknownWord(word, file);
    return [id];
  };
}

/** The vocabulary of a model, its ids checked. */
export function vocabularyOf(model: JsonObject, file: string): Map<string, number> {
  const vocab = model["vocab"];
  if (!isObject(vocab)) throw new RavnError(`${file}: its model has no map "vocab"`);
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isInteger(id) || Number(id) < 0 || Number(id) >= 2 ** 31) {
      throw new RavnError(`${file}: token ${JSON.stringify(token)} has the id ${id}`);
    }
    vocabulary.set(token, Number(id));
  }
  return vocabulary;
}

/** How a model of a tokenizer file encodes a word. @throws {RavnError} for an unknown kind. */
export function piecesOf(model: JsonObject, vocabulary: Vocabulary, file: string): EncodeWord {
  const type = model["type"] ?? (model["merges"] === undefined ? "WordPiece" : "BPE");
  switch (type) {
    case "WordPiece":
      return wordPiece(model, vocabulary, file);
    case "BPE":
      return bytePairs(model, vocabulary, file);
    case "WordLevel":
      return wholeWords(model, vocabulary, file);
    default:
      throw new RavnError(
        `${file}: tokenizer model "${type}" is unknown; known are WordPiece, BPE, WordLevel`,
      );
  }
}
