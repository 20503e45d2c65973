import { RavnError } from "../error.ts";
import type { Tensor } from "../onnx/tensor.ts";
import { CsvCells, parseNumber } from "./csv_cells.ts";
import { allocate } from "./read.ts";

const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const TAB = 0x09;

/** What is known after the first row. */
interface Table {
  readonly columns: number;
  /** Names in the first row, or undefined where it holds numbers. */
  readonly names: readonly string[] | undefined;
}

/** Tab in a .tsv file; otherwise semicolon where the first line has one and no comma. */
function delimiterOf(bytes: Uint8Array, file: string): number {
  if (/\.tsv$/i.test(file)) return TAB;
  const end = bytes.indexOf(0x0a);
  const line = end < 0 ? bytes : bytes.subarray(0, end);
  return !line.includes(COMMA) && line.includes(SEMICOLON) ? SEMICOLON : COMMA;
}

function readFirstRow(bytes: Uint8Array, file: string, cells: CsvCells): Table {
  const names: string[] = [];
  let isHeader = false;
  while (cells.next()) {
    // A name may hold a line break in its quotes; messages are one line.
    names.push(cells.text().replace(/\s+/g, " "));
    isHeader ||= Number.isNaN(parseNumber(bytes, cells.start, cells.end));
    if (cells.last) break;
  }
  if (names.length === 0) throw new RavnError(`${file}: is empty; expected rows of numbers`);
  return { columns: names.length, names: isHeader ? names : undefined };
}

/** Column from a name or a number that counts from 1, or undefined. */
function columnOf(table: Table, text: string): number | undefined {
  const named = table.names?.indexOf(text) ?? -1;
  if (named >= 0) return named;
  const number = /^\d+$/.test(text) ? Number(text) : 0;
  return number >= 1 && number <= table.columns ? number - 1 : undefined;
}

/** Columns that a selection such as `label`, `2..65` or `x,y,z1..z9` names, in its order. */
function selectColumns(table: Table, selection: string, file: string): number[] {
  const fail = (item: string) => {
    const known = table.names === undefined
      ? `1 to ${table.columns} (the file has no header)`
      : table.names.slice(0, 20).join(", ") + (table.columns > 20 ? ", …" : "");
    return new RavnError(`${file}: has no column "${item}"; it has ${known}`);
  };
  const chosen: number[] = [];
  for (const item of selection.split(",").map((part) => part.trim())) {
    const range = columnOf(table, item) === undefined ? /^(.*)\.\.(.*)$/.exec(item) : null;
    const first = columnOf(table, range === null ? item : range[1] || "1");
    const last = range === null ? first : columnOf(table, range[2] || String(table.columns));
    if (first === undefined || last === undefined || last < first) throw fail(item);
    for (let column = first; column <= last; column++) {
      if (chosen.includes(column)) {
        throw new RavnError(`${file}: column "${item}" is selected twice in "${selection}"`);
      }
      chosen.push(column);
    }
  }
  return chosen;
}

/** Rows that can be there at most: by line ends, and because a cell takes two bytes or more. */
function rowsMax(bytes: Uint8Array, columns: number): number {
  let lines = 1;
  for (const byte of bytes) if (byte === 0x0a || byte === 0x0d) lines += 1;
  return Math.min(lines, Math.ceil((bytes.length + 1) / (2 * columns)));
}

function cellError(file: string, cells: CsvCells, table: Table): RavnError {
  const name = table.names === undefined ? "" : ` (${table.names[cells.column]})`;
  const text = cells.text().replace(/\s+/g, " ");
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return new RavnError(
    `${file}: line ${cells.line}, column ${cells.column + 1}${name}: ` +
      (text === "" ? "expected a number, the cell is empty" : `"${shown}" is no finite number`),
  );
}

/**
 * Reads a table of numbers (RFC 4180): comma, or semicolon, or tab in a .tsv file. A first row in
 * which any cell is no number is taken for the header.
 *
 * @param selection columns to take, by name or by number from 1, ranges as `a..b`, open ends
 *   allowed: `label`, `1..64`, `x,y`. All of them by default.
 * @returns int64 where every selected cell is written as an integer, else float64; shape [rows] for
 *   one column, [rows, columns] for more.
 * @throws {RavnError} with line and column of a cell that is no finite number, a row of another
 *   length, or an unknown column.
 */
export function readCsv(
  bytes: Uint8Array<ArrayBuffer>,
  file: string,
  selection?: string,
): Tensor {
  const delimiter = delimiterOf(bytes, file);
  let cells = new CsvCells(bytes, file, delimiter);
  const table = readFirstRow(bytes, file, cells);
  const chosen = selection === undefined
    ? Array.from({ length: table.columns }, (_, column) => column)
    : selectColumns(table, selection, file);
  const place = new Int32Array(table.columns).fill(-1);
  chosen.forEach((column, i) => place[column] = i);
  if (table.names === undefined) cells = new CsvCells(bytes, file, delimiter);

  const room = allocate(8 * rowsMax(bytes, table.columns) * chosen.length, file);
  const values = new Float64Array(room.buffer);
  let rows = 0;
  let integers = true;
  while (cells.next()) {
    if (cells.column >= table.columns || (cells.last && cells.column + 1 < table.columns)) {
      throw new RavnError(
        `${file}: line ${cells.line}: has ${cells.last ? cells.column + 1 : "more"} columns, ` +
          `the first line has ${table.columns}`,
      );
    }
    const at = place[cells.column]!;
    if (at >= 0) {
      const value = parseNumber(bytes, cells.start, cells.end);
      if (!Number.isFinite(value)) throw cellError(file, cells, table);
      integers &&= Number.isSafeInteger(value) && !isFraction(bytes, cells);
      values[rows * chosen.length + at] = value;
    }
    if (cells.last) rows += 1;
  }
  const dims = chosen.length === 1 ? [rows] : [rows, chosen.length];
  const used = values.subarray(0, rows * chosen.length);
  if (!integers) return { dtype: "float64", dims, bytes: room.subarray(0, used.byteLength) };
  return { dtype: "int64", dims, bytes: new Uint8Array(BigInt64Array.from(used, BigInt).buffer) };
}

/** Whether the cell is written with a point or an exponent, so that `1.0` makes a float column. */
function isFraction(bytes: Uint8Array, cells: CsvCells): boolean {
  for (let at = cells.start; at < cells.end; at++) {
    const byte = bytes[at]!;
    if (byte === 0x2e || byte === 0x65 || byte === 0x45) return true;
  }
  return false;
}
