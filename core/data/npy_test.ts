import assert from "node:assert/strict";
import { byteCount, type DType, numbers, tensor } from "../onnx/tensor.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { assertRefused, fixture } from "./testing.ts";

const COUNTING = Array.from({ length: 24 }, (_, i) => i);

function load(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(fixture(`arrays/${name}`));
}

Deno.test("readNpy reads every number type in both byte orders", () => {
  const types: Record<string, DType> = {
    ...{ i2: "int16", i4: "int32", i8: "int64", u2: "uint16", u4: "uint32", u8: "uint64" },
    ...{ f2: "float16", f4: "float32", f8: "float64" },
  };
  for (const [kind, dtype] of Object.entries(types)) {
    for (const order of ["little", "big"]) {
      const file = `${kind}_${order}.npy`;
      const read = readNpy(load(file), file);
      assert.equal(read.dtype, dtype);
      assert.deepEqual(read.dims, [4, 3, 2]);
      assert.deepEqual([...numbers(read)], COUNTING, file);
    }
  }
});

Deno.test("readNpy reads bytes and booleans", () => {
  assert.deepEqual([...numbers(readNpy(load("u1_byte.npy"), "u1"))], COUNTING);
  assert.deepEqual([...numbers(readNpy(load("i1_byte.npy"), "i1"))], COUNTING);
  const bool = readNpy(load("b1_byte.npy"), "b1");
  assert.equal(bool.dtype, "bool");
  assert.deepEqual([...numbers(bool)], COUNTING.map((i) => i % 2));
});

Deno.test("readNpy puts Fortran order into C order", () => {
  for (const file of ["fortran.npy", "fortran_big.npy"]) {
    assert.deepEqual([...numbers(readNpy(load(file), file))], COUNTING);
  }
});

Deno.test("readNpy reads versions 1 to 3 and a single number", () => {
  for (const file of ["f4_little.npy", "version_2.npy", "version_3.npy"]) {
    assert.deepEqual([...numbers(readNpy(load(file), file))], COUNTING);
  }
  const single = readNpy(load("single.npy"), "single.npy");
  assert.deepEqual([single.dims, numbers(single)[0]], [[], 3]);
});

Deno.test("readNpy makes a view, aligned to its elements", () => {
  const bytes = load("f8_little.npy");
  const read = readNpy(bytes, "f8");
  assert.equal(read.bytes.buffer, bytes.buffer);
  assert.equal(read.bytes.byteOffset % 64, 0);
});

Deno.test("readNpy refuses what holds no plain numbers", async () => {
  const refused = (file: string, message: RegExp) =>
    assertRefused(() => readNpy(load(file), file), message);
  await refused("objects.npy", /^objects\.npy: holds Python objects, which could run code/);
  await refused("complex.npy", /elements of type "<c8"; expected bool, integers or floats/);
  await refused("records.npy", /records with fields/);
});

Deno.test("readNpy refuses damaged files and checks sizes before it takes memory", async () => {
  const whole = load("f4_little.npy");
  const refused = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
    assertRefused(() => readNpy(bytes, "x.npy"), message);
  const patched = (find: string, replace: string) => {
    const text = String.fromCharCode(...whole).replace(find, replace);
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  };
  await refused(new Uint8Array(4), /^x\.npy: is no npy file/);
  await refused(whole.subarray(0, 40), /says its npy header has 118 bytes; the file has 40/);
  await refused(whole.subarray(0, -1), /\[4,3,2\] takes 96 bytes, the file has 95/);
  await refused(new Uint8Array([...whole, 0]), /takes 96 bytes, the file has 97/);
  await refused(patched("(4, 3, 2)", "(4000000000000, 30000)"), /takes 480000000000000000 bytes/);
  await refused(patched("'descr'", "'dxscr'"), /lacks descr, fortran_order or shape/);
  const future = whole.slice();
  future[6] = 9;
  await refused(future, /npy version 9, known are 1 to 3/);
});

Deno.test("readNpy never fails but with a RavnError, whatever byte is changed", () => {
  const whole = load("fortran_big.npy");
  for (let at = 0; at < 128; at++) {
    for (const value of [0, 0x28, 0x39, 0xff]) {
      const bytes = whole.slice();
      bytes[at] = value;
      try {
        const { dtype, dims, bytes: data } = readNpy(bytes, "x.npy");
        assert.equal(data.length, byteCount(dtype, dims));
      } catch (thrown) {
        assert.equal((thrown as Error).name, "RavnError", String(thrown));
      }
    }
  }
});

Deno.test("writeNpy is read back", () => {
  const cases = [
    tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6.5]),
    tensor("int64", [3], [-1, 0, 2 ** 40]),
    tensor("bool", [], [1]),
    tensor("uint8", [1, 0], []),
  ];
  for (const original of cases) {
    const pieces = writeNpy(original);
    assert.equal(pieces[0]!.length % 64, 0);
    const whole = new Uint8Array(pieces.flatMap((piece) => [...piece]));
    const read = readNpy(whole, "out.npy");
    assert.deepEqual([read.dtype, read.dims], [original.dtype, original.dims]);
    assert.deepEqual([...read.bytes], [...original.bytes]);
  }
});
