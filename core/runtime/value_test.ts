import assert from "node:assert/strict";
import { alignedFloats } from "./example_models.ts";
import { alignedBytes, Arena, copyOf, floatsOf, Runtime } from "./mod.ts";
import { addressOf } from "./memory.ts";

const runtime = Runtime.open();

Deno.test("memory of the wrong size or alignment is refused", () => {
  assert.throws(() => runtime.value("float32", [2, 2], alignedBytes(12)), /takes 16 bytes, got 12/);
  assert.throws(
    () => runtime.value("int64", [1], alignedBytes(72).subarray(8, 16)),
    /multiple of 64/,
  );
  assert.throws(() => runtime.value("string", [1], alignedBytes(0)), /no tensor of string/);
});

Deno.test("aligned memory is aligned, whatever its size", () => {
  for (const size of [0, 1, 8, 63, 64, 65, 1000, 100_000]) {
    const memory = alignedBytes(size);
    assert.equal(memory.byteLength, size);
    if (size > 0) assert.equal(addressOf(memory) % 64n, 0n);
  }
});

Deno.test("a value is a view: a copy of it stays as it was", () => {
  const memory = alignedFloats([1, 2]);
  using value = runtime.value("float32", [2], memory);
  const copy = copyOf(value);
  floatsOf(memory)[0] = 9;
  assert.equal(floatsOf(value.bytes)[0], 9);
  assert.equal(floatsOf(copy.bytes)[0], 1);
});

Deno.test("an arena's memory can be bound", () => {
  const arena = new Arena(1024);
  arena.allocate(100);
  using value = runtime.value("float32", [5], arena.allocate(20));
  assert.deepEqual(value.dims, [5]);
});

Deno.test("a value that has been disposed of cannot be bound", async () => {
  const { affineModel } = await import("./example_models.ts");
  using session = await runtime.session(affineModel());
  using binding = session.binding();
  const value = runtime.value("float32", [3], alignedFloats([1, 2, 3]));
  value[Symbol.dispose]();
  value[Symbol.dispose]();
  assert.throws(() => binding.input("offset", value), /disposed/);
});
