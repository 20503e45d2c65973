import assert from "node:assert/strict";
import { affineModel, alignedFloats, slowModel } from "./example_models.ts";
import { type Binding, floatsOf, OrtError, Runtime, type Session, type Value } from "./mod.ts";

const runtime = Runtime.open();

interface Bound extends Disposable {
  readonly binding: Binding;
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** A binding of an affine session with memory for a batch of one. */
function bindAffine(session: Session, values: readonly number[]): Bound {
  const stack = new DisposableStack();
  const value = (dims: number[], memory: Uint8Array): Value =>
    stack.use(runtime.value("float32", dims, memory));
  const [x, y] = [alignedFloats(values), alignedFloats([0, 0, 0])];
  const binding = stack.use(session.binding());
  binding.input("x", value([1, 3], x));
  binding.input("offset", value([3], alignedFloats([1, 1, 1])));
  binding.output("y", value([1, 3], y));
  return {
    binding,
    x: floatsOf(x),
    y: floatsOf(y),
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** A binding of a slow session: 256 × 256 ones over 256, whose powers are themselves. */
function bindSlow(session: Session): Binding {
  const binding = session.binding();
  const ones = alignedFloats(new Array(256 * 256).fill(1 / 256));
  using x = runtime.value("float32", [256, 256], ones);
  binding.input("x", x);
  binding.outputAuto("y");
  return binding;
}

Deno.test("sync and nonblocking runs read and write the caller's memory in place", async () => {
  using session = await runtime.session(affineModel());
  using bound = bindAffine(session, [1, 2, 3]);
  bound.binding.run();
  assert.deepEqual([...bound.y], [3, 5, 7]);
  bound.x.set([10, 20, 30]);
  await bound.binding.runAsync();
  assert.deepEqual([...bound.y], [21, 41, 61]);
  const result = bound.binding.result("y");
  assert.equal(result.bytes.buffer, bound.y.buffer);
});

Deno.test("the first execution never blocks; a short graph blocks afterwards", async () => {
  using session = await runtime.session(affineModel());
  using bound = bindAffine(session, [1, 2, 3]);
  assert.equal(bound.binding.lastRun_ms, Infinity);
  const first = bound.binding.execute();
  assert.ok(first instanceof Promise);
  await first;
  bound.binding.run();
  if (bound.binding.lastRun_ms < 8) assert.equal(bound.binding.execute(), undefined);
  assert.deepEqual([...bound.y], [3, 5, 7]);
});

Deno.test("memory that only a binding refers to is kept", async () => {
  using session = await runtime.session(affineModel());
  using binding = session.binding();
  (() => {
    // Values and arrays go out of scope here; the values are even disposed of.
    using x = runtime.value("float32", [1, 3], alignedFloats([1, 2, 3]));
    using offset = runtime.value("float32", [3], alignedFloats([5, 5, 5]));
    binding.input("x", x);
    binding.input("offset", offset);
  })();
  binding.outputAuto("y");
  const garbage: Float32Array[] = [];
  for (let i = 0; i < 200; i++) garbage.push(new Float32Array(1 << 16).fill(-99));
  await new Promise((resolve) => setTimeout(resolve, 10));
  binding.run();
  const { bytes } = binding.result("y");
  assert.deepEqual([...floatsOf(bytes)], [7, 9, 11]);
  assert.equal(garbage.length, 200);
});

Deno.test("an output that ONNX Runtime allocates follows the batch size", async () => {
  using session = await runtime.session(affineModel());
  using binding = session.binding();
  using offset = runtime.value("float32", [3], alignedFloats([0, 0, 0]));
  binding.input("offset", offset);
  binding.outputAuto("y");
  for (const batch of [2, 5]) {
    using x = runtime.value("float32", [batch, 3], alignedFloats(new Array(batch * 3).fill(4)));
    binding.input("x", x);
    binding.run();
    const { dims, bytes } = binding.result("y");
    assert.deepEqual(dims, [batch, 3]);
    assert.deepEqual([...floatsOf(bytes)], new Array(batch * 3).fill(8));
  }
});

Deno.test("one session runs concurrently in several bindings", async () => {
  using session = await runtime.session(affineModel());
  using stack = new DisposableStack();
  const all = Array.from({ length: 8 }, (_, i) => stack.use(bindAffine(session, [i, i, i])));
  for (let round = 0; round < 5; round++) {
    await Promise.all(all.map(({ binding }) => binding.runAsync()));
  }
  all.forEach(({ y }, i) => assert.deepEqual([...y], [2 * i + 1, 2 * i + 1, 2 * i + 1]));
});

Deno.test("a binding does nothing else while it runs", async () => {
  using session = await runtime.session(slowModel(4));
  using binding = bindSlow(session);
  const run = binding.runAsync();
  assert.throws(() => binding.run(), /is running/);
  assert.throws(() => binding.outputAuto("y"), /is running/);
  assert.throws(() => binding.result("y"), /is running/);
  await assert.rejects(binding.runAsync(), /is running/);
  await run;
  assert.equal(floatsOf(binding.result("y").bytes)[0], 1 / 256);
});

Deno.test("an aborted run stops early, with the signal's reason", async () => {
  using session = await runtime.session(slowModel(2000));
  using binding = bindSlow(session);
  const reason = new Error("enough");
  const controller = new AbortController();
  const run = binding.runAsync(controller.signal);
  setTimeout(() => controller.abort(reason), 5);
  await assert.rejects(run, (thrown) => thrown === reason);
  await assert.rejects(binding.runAsync(AbortSignal.abort(reason)), (thrown) => thrown === reason);
  assert.throws(() => binding.result("y"), /before the first run/);
});

Deno.test("an aborted binding is as good as new", async () => {
  using session = await runtime.session(slowModel(60));
  using binding = bindSlow(session);
  const controller = new AbortController();
  const run = binding.runAsync(controller.signal);
  controller.abort();
  await assert.rejects(run, { name: "AbortError" });
  await binding.runAsync();
  assert.equal(floatsOf(binding.result("y").bytes)[7], 1 / 256);
});

Deno.test("leaving cancels every run and waits for its end", async () => {
  using session = await runtime.session(slowModel(2000));
  using a = bindSlow(session);
  using b = bindSlow(session);
  const runs = Promise.allSettled([a.runAsync(), b.runAsync()]);
  await runtime[Symbol.asyncDispose]();
  const results = await runs;
  assert.ok(results.every(({ status }) => status === "rejected"));
});

Deno.test("a binding that is disposed of while it runs is freed when the run ends", async () => {
  const session = await runtime.session(slowModel(10));
  const binding = bindSlow(session);
  const run = binding.runAsync();
  binding[Symbol.dispose]();
  session[Symbol.dispose]();
  await run;
  assert.throws(() => binding.result("y"), /disposed/);
});

Deno.test("an output of the wrong shape is an error of ONNX Runtime", async () => {
  using session = await runtime.session(affineModel());
  using bound = bindAffine(session, [1, 2, 3]);
  using x = runtime.value("float32", [2, 3], alignedFloats([1, 2, 3, 4, 5, 6]));
  bound.binding.input("x", x);
  assert.throws(
    () => bound.binding.run(),
    (thrown) =>
      thrown instanceof OrtError && /shape/i.test(thrown.message) && !thrown.message.includes("\n"),
  );
});
