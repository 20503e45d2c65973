import assert from "node:assert/strict";
import { type DType, DTYPES, numbers, tensor } from "../onnx/tensor.ts";
import { columnOf } from "./column.ts";
import { gatherOf } from "./gather.ts";
import { assertRefused } from "./testing.ts";

function column(dtype: DType, dims: number[], values: number[]) {
  return columnOf(tensor(dtype, dims, values), "x.npy");
}

function gathered(from: ReturnType<typeof column>, dtype: DType, indices: number[]): number[] {
  const width = from.dims.reduce((product, dim) => product * dim, 1);
  const bytes = new Uint8Array(indices.length * width * DTYPES[dtype].bytes);
  gatherOf(from, dtype)(Uint32Array.from(indices), bytes);
  return [...numbers({ dtype, dims: [indices.length * width], bytes })];
}

Deno.test("gather takes samples in the order asked for, in every pair of element types", () => {
  const types = Object.keys(DTYPES).filter((type) => type !== "string" && type !== "bfloat16");
  for (const from of types as DType[]) {
    for (const to of types as DType[]) {
      const source = column(from, [3, 2], [0, 1, 1, 0, 1, 1]);
      assert.deepEqual(gathered(source, to, [2, 0, 0]), [1, 1, 0, 1, 0, 1], `${from} to ${to}`);
    }
  }
});

Deno.test("gather copies large samples of the same type", () => {
  const values = Array.from({ length: 3 * 100 }, (_, i) => i);
  assert.deepEqual(
    gathered(column("float32", [3, 100], values), "float32", [1, 2]),
    values.slice(100),
  );
});

Deno.test("gather keeps signs and wide integers", () => {
  assert.deepEqual(gathered(column("int8", [3], [-1, -128, 127]), "int64", [0, 1, 2]), [
    -1,
    -128,
    127,
  ]);
  const wide = [2 ** 40 + 3, -(2 ** 40) - 3, 2 ** 32, -1];
  assert.deepEqual(gathered(column("float64", [4], wide), "int64", [0, 1, 2, 3]), wide);
  assert.deepEqual(
    gathered(column("int64", [4], wide), "float64", [3, 2, 1, 0]),
    wide.toReversed(),
  );
});

Deno.test("gather writes to shared memory", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(16), 8, 8);
  gatherOf(column("uint8", [2, 1], [3, 4]), "float32")([1, 0], shared);
  assert.deepEqual([...new Float32Array(shared.buffer, 8, 2)], [4, 3]);
});

Deno.test("gather widens bfloat16", () => {
  const bytes = new Uint8Array([0x80, 0x3f, 0x20, 0xc0]); // 1 and -2.5
  const source = columnOf({ dtype: "bfloat16", dims: [2], bytes }, "b.safetensors");
  assert.deepEqual(gathered(source, "float32", [1, 0]), [-2.5, 1]);
});

Deno.test("values that an integer type cannot hold are refused at once", async () => {
  await assertRefused(
    () => gatherOf(column("int64", [2, 2], [1, 2, 3, 300]), "uint8"),
    /^x\.npy: sample 1: 300 does not fit uint8, which the model takes \(the file holds int64\)$/,
  );
  await assertRefused(() => gatherOf(column("float64", [1], [0.5]), "int64"), /0\.5 does not fit/);
  await assertRefused(() => gatherOf(column("float64", [1], [1]), "bfloat16"), /takes bfloat16/);
});

Deno.test("gather checks that the destination is filled exactly", () => {
  const gather = gatherOf(column("uint8", [2, 2], [1, 2, 3, 4]), "float32");
  assert.throws(() => gather([0], new Uint8Array(16)), /1 samples of 8 bytes do not fill 16 bytes/);
});
