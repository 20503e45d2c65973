import assert from "node:assert/strict";
import { byteCount, type DType, dtypeOf, DTYPES, int64s, numbers, scalar, tensor } from "./mod.ts";

Deno.test("every element type is found again by its code", () => {
  for (const [name, { code }] of Object.entries(DTYPES)) assert.equal(dtypeOf(code), name);
  assert.equal(dtypeOf(0), undefined);
  assert.equal(dtypeOf(17), undefined);
});

Deno.test("numbers gives back what tensor took", () => {
  const types: DType[] = [
    "float32",
    "float64",
    "float16",
    "int64",
    "uint64",
    "int32",
    "uint32",
    "int16",
    "uint16",
    "int8",
    "uint8",
    "bool",
  ];
  for (const dtype of types) {
    const made = tensor(dtype, [2, 2], [0, 1, 1, 0]);
    assert.equal(made.bytes.byteLength, byteCount(dtype, [2, 2]));
    assert.deepEqual([...numbers(made)], [0, 1, 1, 0], dtype);
  }
  assert.deepEqual([...numbers(int64s([-1, 2 ** 53]))], [-1, 2 ** 53]);
});

Deno.test("numbers reads bytes at any offset", () => {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setFloat32(1, 1.5, true);
  new DataView(bytes.buffer).setFloat32(5, -2, true);
  const view = { dtype: "float32", dims: [2], bytes: bytes.subarray(1) } as const;
  assert.deepEqual([...numbers(view)], [1.5, -2]);
});

Deno.test("a tensor takes as many values as its shape has", () => {
  assert.throws(() => tensor("float32", [2, 3], [1, 2, 3]), RangeError);
  assert.deepEqual(scalar("float32", 4).dims, []);
  assert.equal(tensor("float32", [0, 3], []).bytes.byteLength, 0);
});
