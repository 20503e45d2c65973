import { RavnError } from "../error.ts";

const QUOTE = 0x22;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * Walks the cells of a delimited text (RFC 4180) without making strings. After `next` the fields
 * tell about the current cell.
 */
export class CsvCells {
  /** Bounds of the cell's content, blanks and quotes left out. */
  start = 0;
  end = 0;
  /** Line on which the cell starts, from 1. */
  line = 1;
  /** Place of the cell in its row, from 0. */
  column = -1;
  /** Whether the row ends with this cell. */
  last = true;
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #delimiter: number;
  #at: number;
  #nextLine = 1;

  constructor(bytes: Uint8Array, file: string, delimiter: number) {
    this.#bytes = bytes;
    this.#file = file;
    this.#delimiter = delimiter;
    // A byte order mark is no part of the first cell.
    this.#at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  }

  /** Goes to the next cell; false at the end of the text. Empty lines are passed over. */
  next(): boolean {
    if (this.last) {
      while (this.#atLineEnd()) this.#passLineEnd();
      if (this.#at >= this.#bytes.length) return false;
      this.column = -1;
    }
    this.column += 1;
    this.line = this.#nextLine;
    while (this.#isBlank(this.#at)) this.#at += 1;
    if (this.#bytes[this.#at] === QUOTE) this.#quoted();
    else this.#plain();
    this.last = this.#bytes[this.#at] !== this.#delimiter;
    if (!this.last) this.#at += 1;
    else if (this.#atLineEnd()) this.#passLineEnd();
    return true;
  }

  /** Text of the current cell. */
  text(): string {
    const text = new TextDecoder().decode(this.#bytes.subarray(this.start, this.end));
    return this.#bytes[this.start - 1] === QUOTE ? text.replaceAll('""', '"') : text;
  }

  #isBlank(at: number): boolean {
    const byte = this.#bytes[at];
    return (byte === SPACE || byte === TAB) && byte !== this.#delimiter;
  }

  #atLineEnd(): boolean {
    const byte = this.#bytes[this.#at];
    return byte === LINE_FEED || byte === CARRIAGE_RETURN;
  }

  #passLineEnd(): void {
    if (this.#bytes[this.#at] === CARRIAGE_RETURN) this.#at += 1;
    if (this.#bytes[this.#at] === LINE_FEED) this.#at += 1;
    this.#nextLine += 1;
  }

  #plain(): void {
    const bytes = this.#bytes;
    this.start = this.#at;
    while (
      this.#at < bytes.length && bytes[this.#at] !== this.#delimiter && !this.#atLineEnd()
    ) this.#at += 1;
    this.end = this.#at;
    while (this.end > this.start && this.#isBlank(this.end - 1)) this.end -= 1;
  }

  #quoted(): void {
    const bytes = this.#bytes;
    this.start = ++this.#at;
    for (;; this.#at++) {
      if (this.#at >= bytes.length) {
        throw new RavnError(`${this.#file}: line ${this.line}: the quote is never closed`);
      }
      if (bytes[this.#at] === LINE_FEED) this.#nextLine += 1;
      if (bytes[this.#at] !== QUOTE) continue;
      if (bytes[this.#at + 1] !== QUOTE) break;
      this.#at += 1;
    }
    this.end = this.#at++;
    while (this.#isBlank(this.#at)) this.#at += 1;
    if (
      this.#at < bytes.length && bytes[this.#at] !== this.#delimiter && !this.#atLineEnd()
    ) {
      throw new RavnError(
        `${this.#file}: line ${this.line}, column ${this.column + 1}: text behind the quote`,
      );
    }
  }
}

/** Powers of ten that a float64 holds exactly. */
const TEN = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * The decimal number in `bytes[start, end)`, or NaN where there is none.
 *
 * Up to 15 digits it is mantissa / 10^fraction, which is correctly rounded (W. Clinger, "How to
 * read floating point numbers accurately", 1990); longer ones go through `Number`.
 */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const first = bytes[at];
  if (first === 0x2d || first === 0x2b) at += 1;
  let mantissa = 0;
  let digits = 0;
  let point = -1;
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      digits += 1;
    } else if (bytes[at] === 0x2e && point < 0) point = at;
    else break;
  }
  if (at === end && digits > 0 && digits <= 15) {
    const magnitude = point < 0 ? mantissa : mantissa / TEN[end - 1 - point]!;
    return first === 0x2d ? -magnitude : magnitude;
  }
  const text = new TextDecoder().decode(bytes.subarray(start, end));
  return NUMBER.test(text) ? Number(text) : NaN;
}
