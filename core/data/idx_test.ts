import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { numbers } from "../onnx/tensor.ts";
import { readIdx } from "./idx.ts";
import { assertRefused } from "./testing.ts";

/** Two 2×3 pictures as in MNIST's image files. */
const IMAGES = new Uint8Array([
  ...[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255],
]);

Deno.test("readIdx reads pictures, plain and packed", async () => {
  for (const bytes of [IMAGES, new Uint8Array(gzipSync(IMAGES))]) {
    const read = await readIdx(bytes, "images");
    assert.deepEqual([read.dtype, read.dims], ["uint8", [2, 2, 3]]);
    assert.deepEqual([...numbers(read)], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
  }
});

Deno.test("readIdx turns big-endian elements round", async () => {
  const ints = new Uint8Array([0, 0, 0x0c, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xfe]);
  assert.deepEqual([...numbers(await readIdx(ints, "ints"))], [256, -2]);
  const floats = new Uint8Array([0, 0, 0x0d, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0]);
  assert.deepEqual([...numbers(await readIdx(floats, "floats"))], [1.5]);
});

Deno.test("readIdx refuses damaged files and checks sizes before it takes memory", async () => {
  const packed = new Uint8Array(gzipSync(IMAGES));
  const refused = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
    assertRefused(() => readIdx(bytes, "x-idx3-ubyte"), message);
  await refused(new Uint8Array(2), /^x-idx3-ubyte: is no idx file/);
  await refused(new Uint8Array([1, 2, 3, 4]), /starts with 1 2 3 4/);
  await refused(IMAGES.subarray(0, 10), /ends inside its header of 3 dimensions/);
  await refused(IMAGES.subarray(0, -2), /takes 12 bytes, the file has 10/);
  await refused(new Uint8Array([...IMAGES, 0]), /takes 12 bytes, the file has more than 12/);
  await refused(packed.subarray(0, -9), /damaged or cut short|the file has/);
  const huge = IMAGES.slice();
  huge.set([0xff, 0xff, 0xff, 0xff], 4);
  await refused(huge, /the file cannot hold them/);
  await refused(new Uint8Array(gzipSync(huge)), /the file cannot hold them/);
});
