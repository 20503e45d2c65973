import assert from "node:assert/strict";
import { RavnError } from "../../error.ts";
import { Random } from "../../random.ts";
import { Arena, floatsOf } from "../arena.ts";
import { addRows, clearRows, marksBytes, openRows, rowNumbers, type RowTable } from "./rows.ts";

/** A table in an arena with room for rows to add. */
function tableOf(height: number, width: number, rows: number) {
  const sizes = [height * width * 4, marksBytes(height), rows * 4, rows * width * 4, 64];
  const memory = new Arena(sizes.reduce((sum, size) => sum + size + 64, 0)).allocateTogether(sizes);
  const [target, marks, numbers, source, after] = memory as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const table: RowTable = { target: floatsOf(target), marks, width };
  const indices = new Uint32Array(numbers.buffer, numbers.byteOffset, rows);
  return { table, indices, source: floatsOf(source), after };
}

/** The same sum in a plain loop, in single precision and from the first row to the last. */
function plainSums(
  height: number,
  width: number,
  parts: readonly { readonly indices: readonly number[]; readonly source: readonly number[] }[],
): number[] {
  const sums = new Float32Array(height * width);
  for (const { indices, source } of parts) {
    indices.forEach((row, i) => {
      for (let j = 0; j < width; j++) sums[row * width + j]! += source[i * width + j]!;
    });
  }
  return [...sums];
}

Deno.test("rows are summed up in order, and rows of the sum before become zero", () => {
  const random = new Random(3);
  for (const height of [1, 15, 16, 17, 100]) {
    for (const width of [1, 3, 4, 6, 16, 21, 64, 67]) {
      const { table, indices, source, after } = tableOf(height, width, 40);
      for (let sum = 0; sum < 4; sum++) {
        const parts: { indices: number[]; source: number[] }[] = [];
        openRows(table);
        // Of few rows and of many, of none, and in two parts.
        for (const count of [[40, 7], [0], [3], [1, 40]][sum]!) {
          const bound = sum % 2 === 0 ? height : Math.ceil(height / 3);
          for (let i = 0; i < count; i++) indices[i] = random.integer(bound);
          for (let i = 0; i < count * width; i++) source[i] = random.normal();
          const [some, rows] = [indices.subarray(0, count), source.subarray(0, count * width)];
          addRows(table, some, rows);
          if (parts.length === 0) clearRows(table);
          parts.push({ indices: [...some], source: [...rows] });
        }
        const expected = plainSums(height, width, parts);
        assert.deepEqual([...table.target], expected, `${height} rows of ${width}, sum ${sum}`);
        assert.ok(after.every((byte) => byte === 0), "nothing is written behind the table");
      }
    }
  }
});

Deno.test("rows that are marked as written are added to", () => {
  const { table, indices, source } = tableOf(3, 5, 2);
  table.target.fill(1);
  table.marks.fill(1);
  indices.set([2, 2]);
  source.fill(0.5);
  addRows(table, indices, source);
  assert.deepEqual([...table.target], [...Array(10).fill(1), ...Array(5).fill(2)]);
});

Deno.test("a NaN reaches its row and stays for no other sum", () => {
  const { table, indices, source } = tableOf(4, 2, 1);
  indices[0] = 1;
  source.fill(NaN);
  openRows(table);
  addRows(table, indices, source);
  clearRows(table);
  assert.deepEqual([...table.target].map(Number.isNaN), [0, 0, 1, 1, 0, 0, 0, 0].map(Boolean));
  openRows(table);
  clearRows(table);
  assert.deepEqual([...table.target], Array(8).fill(0));
});

Deno.test("indices of either type name rows, from the end where they are negative", () => {
  const given = [0, 4, -1, -5, 2];
  const tensors = [
    { dtype: "int32" as const, bytes: new Uint8Array(Int32Array.from(given).buffer) },
    { dtype: "int64" as const, bytes: new Uint8Array(BigInt64Array.from(given, BigInt).buffer) },
  ];
  for (const indices of tensors) {
    const rows = new Uint32Array(given.length);
    rowNumbers(indices, 5, rows);
    assert.deepEqual([...rows], [0, 4, 4, 0, 2], indices.dtype);
  }
});

Deno.test("an index outside the table is refused", () => {
  const rows = new Uint32Array(2);
  for (const index of [5n, -6n, 2n ** 32n, 2n ** 63n - 1n, -(2n ** 32n), -(2n ** 63n)]) {
    const bytes = new Uint8Array(BigInt64Array.of(1n, index).buffer);
    assert.throws(
      () => rowNumbers({ dtype: "int64", bytes }, 5, rows),
      (error) =>
        error instanceof RavnError && error.message.startsWith(`index ${index} is outside`),
    );
  }
  const bytes = new Uint8Array(Int32Array.of(0, 9).buffer);
  assert.throws(() => rowNumbers({ dtype: "int32", bytes }, 5, rows), RavnError);
});

Deno.test("arrays that do not belong together are refused", () => {
  const { table, indices, source } = tableOf(4, 2, 3);
  assert.throws(() => addRows(table, indices, source.subarray(1)), RangeError);
  assert.throws(() => addRows(table, indices, new Float32Array(6)), TypeError);
  assert.throws(() => openRows({ ...table, marks: new Uint8Array(16) }), TypeError);
  assert.throws(() => openRows({ ...table, marks: table.marks.subarray(0, 4) }), RangeError);
});
