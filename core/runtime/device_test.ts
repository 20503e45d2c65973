import assert from "node:assert/strict";
import { type DType, numbers, tensor } from "../onnx/mod.ts";
import { affineModel, alignedFloats } from "./example_models.ts";
import { RavnError } from "../error.ts";
import { environmentOf } from "./environment.ts";
import { floatsOf, Runtime } from "./mod.ts";
import { Session } from "./session.ts";

const runtime = Runtime.open();

Deno.test("what is uploaded comes back, in every element type, empty and scalar too", async () => {
  using memory = await runtime.deviceMemory("cpu");
  for (const dtype of ["float32", "int64", "bool", "float16"] satisfies DType[]) {
    for (const dims of [[2, 3], [0], []]) {
      const count = dims.reduce((product, dim) => product * dim, 1);
      const source = tensor(dtype, dims, new Array(count).fill(1));
      using target = memory.allocate(dtype, dims);
      await memory.upload(target, source);
      assert.deepEqual(await memory.download(target), source);
    }
  }
});

Deno.test("a tensor of another shape is not uploaded", async () => {
  using memory = await runtime.deviceMemory("cpu");
  using target = memory.allocate("float32", [2]);
  await assert.rejects(
    memory.upload(target, tensor("float32", [3], [1, 2, 3])),
    /is float32 \[2\]/,
  );
});

Deno.test("a view shows part of a tensor, and writes through it", async () => {
  using memory = await runtime.deviceMemory("cpu");
  using whole = memory.allocate("float32", [10]);
  await memory.upload(whole, tensor("float32", [10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  using begin = memory.view(whole, [2, 2]);
  using inside = memory.view(whole, [3], 4 * 4);
  assert.deepEqual(await memory.download(begin), tensor("float32", [2, 2], [0, 1, 2, 3]));
  await memory.upload(inside, tensor("float32", [3], [40, 50, 60]));
  assert.deepEqual([...numbers(await memory.download(whole))], [0, 1, 2, 3, 40, 50, 60, 7, 8, 9]);
  assert.throws(() => memory.view(whole, [3], 8 * 4), /is not within \[10\]/);
  assert.throws(() => memory.view(whole, [1], -4), /is not within \[10\]/);
});

Deno.test("a session computes from device tensor to device tensor", async () => {
  using memory = await runtime.deviceMemory("cpu");
  using session = await runtime.session(affineModel(), { device: "cpu" });
  using binding = session.binding();
  using x = memory.allocate("float32", [1, 3]);
  using y = memory.allocate("float32", [1, 3]);
  using offset = runtime.value("float32", [3], alignedFloats([1, 1, 1]));
  await memory.upload(x, tensor("float32", [1, 3], [1, 2, 3]));
  binding.input("x", x);
  binding.input("offset", offset);
  binding.output("y", y);
  await binding.execute();
  assert.deepEqual([...numbers(await memory.download(y))], [3, 5, 7]);
  assert.throws(() => binding.result("y"), /on a device; download it/);
});

Deno.test("a device that copies its inputs reads what memory holds at a run's start", async () => {
  using session = await Session.load(environmentOf(), affineModel(), {
    device: "cpu",
    optimize: "all",
    copiesInputs: true,
  });
  using memory = await runtime.deviceMemory("cpu");
  using binding = session.binding();
  using y = memory.allocate("float32", [1, 3]);
  const [x, offset] = [alignedFloats([1, 2, 3]), alignedFloats([0, 0, 0])];
  for (const [name, dims, bytes] of [["x", [1, 3], x], ["offset", [3], offset]] as const) {
    using value = runtime.value("float32", dims, bytes);
    binding.input(name, value);
  }
  binding.output("y", y);
  await binding.runAsync();
  assert.deepEqual([...numbers(await memory.download(y))], [2, 4, 6]);
  floatsOf(x).set([4, 5, 6]);
  binding.run();
  assert.deepEqual([...numbers(await memory.download(y))], [8, 10, 12]);
  using there = memory.allocate("float32", [1, 3]);
  await memory.upload(there, tensor("float32", [1, 3], [0, 0, 1]));
  binding.input("x", there);
  await binding.execute();
  assert.deepEqual([...numbers(await memory.download(y))], [0, 0, 2]);
});

Deno.test("without CUDA the error names what is missing and how to get it", async () => {
  try {
    // On a machine that has CUDA there is nothing to refuse.
    using _session = await runtime.session(affineModel(), { device: "cuda" });
  } catch (thrown) {
    assert.ok(thrown instanceof RavnError);
    assert.match(thrown.message, /^--device cuda cannot be used: .*\[ONNX Runtime: /);
    assert.match(thrown.message, /libonnxruntime_providers|LD_LIBRARY_PATH|nvidia-smi/);
    assert.ok(!thrown.message.includes("\n"));
  }
});
