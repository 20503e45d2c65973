import { RavnError } from "../../error.ts";
import type { TensorView } from "../value.ts";
import { type Kernels, kernelsOn } from "./slab.ts";

/** A table [height, width] whose rows are summed up by index, in arrays of one arena slab. */
export interface RowTable {
  /** The table's elements. */
  readonly target: Float32Array;
  /**
   * A byte a row, in whole blocks of 16; see {@linkcode marksBytes}. All zero says that the table
   * is, all one that every row counts.
   */
  readonly marks: Uint8Array;
  readonly width: number;
}

const BLOCK_BYTES = 16;

/** Bytes of the marks of a table of `height` rows. */
export function marksBytes(height: number): number {
  return Math.ceil(height / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Writes the row of a table of `height` rows that each index names; one below 0 counts from the
 * end.
 *
 * @param indices int32, or int64, any shape
 * @param rows as many numbers
 * @throws {RavnError} at an index outside the table
 */
export function rowNumbers(
  indices: Pick<TensorView, "dtype" | "bytes">,
  height: number,
  rows: Uint32Array,
): void {
  const { dtype, bytes: { buffer, byteOffset, byteLength } } = indices;
  const words = new Int32Array(buffer, byteOffset, byteLength / 4);
  const stride = dtype === "int64" ? 2 : 1;
  for (let i = 0; i < rows.length; i++) {
    const index = words[i * stride]!;
    // The upper half of 64 bits says nothing but the sign.
    const isWhole = stride === 1 || words[i * stride + 1] === index >> 31;
    if (!isWhole || index >= height || index < -height) {
      const view = new DataView(buffer, byteOffset);
      const given = stride === 1 ? index : view.getBigInt64(i * 8, true);
      throw new RavnError(
        `index ${given} is outside a table of ${height} rows; indices go from ${-height} to ` +
          `${height - 1}`,
      );
    }
    rows[i] = index < 0 ? index + height : index;
  }
}

/**
 * Begins a new sum: rows that were written until now count as zeros from here on. After all or some
 * of the new rows were added, `clearRows` makes zeros of those that were not written again.
 */
export function openRows(table: RowTable): void {
  kernelsOf(table).openRows(table.marks.byteOffset, heightOf(table));
}

/**
 * target[indices[i]] ← target[indices[i]] + source[i], one row after the other. The indices are
 * not checked: each must be below the table's height.
 *
 * @param indices [count], and `source` [count, width], in the slab of the table
 * @throws {TypeError} when an array lies elsewhere
 * @throws {RangeError} when their lengths do not fit
 */
export function addRows(table: RowTable, indices: Uint32Array, source: Float32Array): void {
  const { target, marks, width } = table;
  if (source.length !== indices.length * width) {
    throw new RangeError(`${indices.length} rows of ${width} numbers, got ${source.length}`);
  }
  kernelsOf(table, indices, source).addRows(
    target.byteOffset,
    marks.byteOffset,
    indices.byteOffset,
    source.byteOffset,
    indices.length,
    width,
  );
}

/** Fills the rows with zeros that were written before the last `openRows` and not since. */
export function clearRows(table: RowTable): void {
  const { target, marks, width } = table;
  const { byteOffset } = target;
  kernelsOf(table).clearRows(byteOffset, marks.byteOffset, heightOf(table), width);
}

function heightOf({ target, width }: RowTable): number {
  return target.length / width;
}

function kernelsOf(
  table: RowTable,
  ...others: readonly (Uint32Array | Float32Array)[]
): Kernels {
  const { target, marks } = table;
  const kernels = kernelsOn(target.buffer);
  if (kernels === undefined || [marks, ...others].some(({ buffer }) => buffer !== target.buffer)) {
    throw new TypeError("a table, its marks and its rows must lie in one slab of an arena");
  }
  if (marks.byteOffset % BLOCK_BYTES !== 0 || marks.length !== marksBytes(heightOf(table))) {
    throw new RangeError(`a table's marks are a byte a row, in whole blocks of ${BLOCK_BYTES}`);
  }
  return kernels;
}
