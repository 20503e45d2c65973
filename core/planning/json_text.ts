import { RavnError } from "../error.ts";

/** Nesting beyond which a file is refused, so that no text can exhaust the call stack. */
const DEPTH_MAX = 64;

const LITERALS = new Map<string, unknown>([["true", true], ["false", false], ["null", null]]);
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// deno-lint-ignore no-control-regex -- RFC 8259 forbids raw control characters in strings
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\r\n]*/y;
const WORD = /[^\s,:[\]{}"]+/y;

/**
 * A JSON reader (RFC 8259) that says where a text is wrong, by line and column, and refuses a key
 * that stands twice in one object: `JSON.parse` does the first only sometimes, the second never.
 */
class JsonReader {
  readonly #text: string;
  readonly #file: string;
  #at = 0;

  constructor(text: string, file: string) {
    this.#text = text.startsWith("\ufeff") ? text.slice(1) : text;
    this.#file = file;
  }

  document(): unknown {
    const value = this.#value(0);
    this.#skip(SPACE);
    if (this.#at < this.#text.length) this.#fail("expected the end of the file");
    return value;
  }

  #fail(expected: string): never {
    const before = this.#text.slice(0, this.#at);
    const line = before.split("\n").length;
    const column = this.#at - before.lastIndexOf("\n");
    const rest = this.#text.slice(this.#at);
    const [word] = /^(?:[^\s,:[\]{}"]+|.)/su.exec(rest) ?? [""];
    const got = word === "" ? "the end of the file" : JSON.stringify(word.slice(0, 20));
    throw new RavnError(
      `${this.#file}: line ${line}, column ${column}: not valid JSON: ${expected}, got ${got}`,
    );
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  /** Consumes `mark` after white space, if it is what comes next. */
  #take(mark: string): boolean {
    this.#skip(SPACE);
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #value(depth: number): unknown {
    this.#skip(SPACE);
    if (depth > DEPTH_MAX) this.#fail(`expected at most ${DEPTH_MAX} nested levels`);
    if (this.#take("{")) return this.#object(depth);
    if (this.#take("[")) return this.#array(depth);
    const start = this.#at;
    const string = this.#skip(STRING);
    if (string !== "") return JSON.parse(string);
    const word = this.#skip(WORD);
    if (LITERALS.has(word)) return LITERALS.get(word);
    this.#at = start;
    const number = this.#skip(NUMBER);
    if (number !== "" && number === word) return Number(number);
    this.#at = start;
    this.#fail("expected a value");
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = Object.create(null);
    if (this.#take("}")) return object;
    do {
      this.#skip(SPACE);
      const start = this.#at;
      const text = this.#skip(STRING);
      if (text === "") this.#fail("expected a key in double quotes");
      const key: string = JSON.parse(text);
      if (key in object) {
        this.#at = start;
        this.#fail("expected each key once in an object");
      }
      if (!this.#take(":")) this.#fail('expected ":"');
      object[key] = this.#value(depth + 1);
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail('expected "," or "}"');
    return object;
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    if (this.#take("]")) return array;
    do array.push(this.#value(depth + 1)); while (this.#take(","));
    if (!this.#take("]")) this.#fail('expected "," or "]"');
    return array;
  }
}

/**
 * Parses the JSON text of `file`. Objects have no prototype.
 *
 * @throws {RavnError} naming file, line and column where the text is not JSON or has a key twice
 */
export function parseJson(text: string, file: string): unknown {
  return new JsonReader(text, file).document();
}
