import assert from "node:assert/strict";
import { parquetWriteBuffer } from "hyparquet-writer";
import { Random } from "../random.ts";
import { readColumn } from "./column.ts";
import { assertRefused, tempFolder } from "./testing.ts";

const ROWS = 300;
const every = Array.from({ length: ROWS }, (_, i) => i);

function table(codec: "SNAPPY" | "UNCOMPRESSED" = "SNAPPY"): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parquetWriteBuffer({
    codec,
    rowGroupSize: 128,
    columnData: [
      { name: "x", data: Float32Array.from(every, (i) => i / 4), type: "FLOAT" },
      { name: "label", data: Int32Array.from(every, (i) => i % 3), type: "INT32" },
      { name: "big", data: every.map((i) => BigInt(i) * 2n ** 40n), type: "INT64" },
      { name: "text", data: every.map((i) => `row ${i}`), type: "STRING" },
      { name: "gaps", data: every.map((i) => i === 7 ? null : i), type: "INT32", nullable: true },
      { name: "vector", data: every.map((i) => [i, i + 0.5, -i]), type: "JSON" },
    ],
  }));
}

Deno.test("columns of a parquet table are read by name, over several groups of rows", async () => {
  await using folder = await tempFolder();
  for (const codec of ["SNAPPY", "UNCOMPRESSED"] as const) {
    const file = await folder.file(`${codec}.parquet`, table(codec));
    const x = await readColumn(`${file}#x`);
    assert.deepEqual([x.dtype, x.dims, x.count], ["float32", [], ROWS]);
    assert.deepEqual([...new Float32Array(x.bytes.buffer)], every.map((i) => i / 4));
    const big = await readColumn(`${file}#big`);
    assert.equal(new BigInt64Array(big.bytes.buffer)[299], 299n * 2n ** 40n);
    const both = await readColumn(`${file}#x,label`);
    assert.deepEqual([both.dtype, both.dims], ["float64", [2]]);
    assert.deepEqual([...new Float64Array(both.bytes.buffer).subarray(8, 12)], [1, 1, 1.25, 2]);
  }
});

Deno.test("lists of equal length become vectors, others are refused by row", async () => {
  await using folder = await tempFolder();
  const write = (name: string, data: number[][]) =>
    folder.file(
      name,
      new Uint8Array(parquetWriteBuffer({
        columnData: [{ name: "v", data }],
        schema: [
          { name: "root", num_children: 1 },
          { name: "v", repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
          { name: "list", repetition_type: "REPEATED", num_children: 1 },
          { name: "element", repetition_type: "OPTIONAL", type: "FLOAT" },
        ],
      })),
    );
  const { dims, count, bytes } = await readColumn(await write("a.parquet", [[1, 2.5], [3, 4]]));
  assert.deepEqual([dims, count], [[2], 2]);
  assert.deepEqual([...new Float32Array(bytes.buffer)], [1, 2.5, 3, 4]);
  const ragged = await write("b.parquet", [[1, 2], [3]]);
  await assertRefused(
    () => readColumn(`${ragged}#v`),
    /b\.parquet#v: row 1 has a list of 1 values where row 0 has 2/,
  );
});

Deno.test("what a parquet table lacks or cannot give is named", async () => {
  await using folder = await tempFolder();
  const file = await folder.file("t.parquet", table());
  const refuse = (member: string, message: RegExp) =>
    assertRefused(() => readColumn(`${file}${member}`), message);
  await refuse("#y", /t\.parquet: has no column "y"; it has x, label, big, text, gaps, vector/);
  await refuse("", /t\.parquet: holds 6 columns, write which are meant: .*t\.parquet#x/);
  await refuse("#text", /#text: holds BYTE_ARRAY; expected numbers/);
  await refuse("#gaps", /#gaps: row 7 has no value; expected a number in each row/);
  const cut = await folder.file("cut.parquet", table().subarray(0, 900));
  await assertRefused(() => readColumn(`${cut}#x`), /cut\.parquet: is a damaged parquet file/);
  const empty = await folder.file("empty.parquet", new Uint8Array(3));
  await assertRefused(() => readColumn(`${empty}#x`), /is no parquet file/);
});

Deno.test("whatever happens to a parquet file, the error is clean", async () => {
  await using folder = await tempFolder();
  const whole = table();
  const random = new Random(11);
  for (let round = 0; round < 200; round++) {
    const bytes = whole.slice();
    for (let i = 0; i < 1 + round % 4; i++) {
      // Every other time in the footer, where the sizes stand.
      const at = round % 2 === 0
        ? random.integer(bytes.length)
        : bytes.length - 1 - random.integer(900);
      bytes[at] = random.integer(256);
    }
    const file = await folder.file("bad.parquet", bytes);
    for (const member of ["x", "label"]) {
      try {
        await readColumn(`${file}#${member}`);
      } catch (thrown) {
        await assertRefused(() => Promise.reject(thrown), /bad\.parquet/);
      }
    }
  }
});
