import assert from "node:assert/strict";
import { type DType, numbers, type Tensor, tensor } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { affineModel, alignedFloats, passThroughModel } from "./example_models.ts";
import { OrtError, Runtime } from "./mod.ts";

const runtime = Runtime.open();

const feeds = new Map([
  ["x", tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6])],
  ["offset", tensor("float32", [3], [10, 20, 30])],
]);

Deno.test("a session names its inputs and outputs with their symbolic dimensions", async () => {
  using session = await runtime.session(affineModel());
  assert.deepEqual(session.inputs, [
    { name: "x", dtype: "float32", dims: ["batch", 3] },
    { name: "offset", dtype: "float32", dims: [3] },
  ]);
  assert.deepEqual(session.outputs, [{ name: "y", dtype: "float32", dims: ["batch", 3] }]);
});

Deno.test("a model runs on copies of its feeds", async () => {
  const outputs = await runtime.evaluate(affineModel(), feeds);
  assert.deepEqual([...outputs.keys()], ["y"]);
  assert.deepEqual(outputs.get("y")!.dims, [2, 3]);
  assert.deepEqual([...numbers(outputs.get("y")!)], [12, 24, 36, 18, 30, 42]);
});

Deno.test("every element type passes through unchanged, empty tensors too", async () => {
  const dtypes: DType[] = [
    ...["float32", "float64", "float16", "int64", "int32", "int16", "int8"] as const,
    ...["uint64", "uint32", "uint16", "uint8", "bool"] as const,
  ];
  using session = await runtime.session(passThroughModel(dtypes));
  for (const values of [[0, 1, 1, 0, 1], []]) {
    const given = new Map<string, Tensor>(
      dtypes.map((dtype) => [`from_${dtype}`, tensor(dtype, [values.length], values)]),
    );
    const outputs = await session.run(given);
    for (const dtype of dtypes) {
      assert.deepEqual(outputs.get(`to_${dtype}`), given.get(`from_${dtype}`));
    }
  }
});

Deno.test("feeds that do not start at an aligned address are taken", async () => {
  const bytes = new Uint8Array(29).subarray(5);
  new DataView(bytes.buffer, 5).setFloat32(0, 7, true);
  const outputs = await runtime.evaluate(
    affineModel(),
    new Map([...feeds, ["x", { dtype: "float32", dims: [2, 3], bytes }]]),
  );
  assert.equal(numbers(outputs.get("y")!)[0], 24);
});

Deno.test("a file that is no model is refused on one line, with ONNX Runtime's code", async () => {
  await assert.rejects(runtime.session(new Uint8Array([1, 2, 3])), (thrown: RavnError) => {
    assert.ok(thrown instanceof RavnError);
    assert.match(thrown.message, /^the model cannot be loaded: ONNX Runtime: .*INVALID_PROTOBUF/);
    assert.ok(!thrown.message.includes("\n"));
    assert.ok(thrown.cause instanceof OrtError && thrown.cause.code === "INVALID_PROTOBUF");
    return true;
  });
});

Deno.test("wrong feeds are named before ONNX Runtime sees them", async () => {
  using session = await runtime.session(affineModel());
  const cases: [Map<string, Tensor>, RegExp][] = [
    [new Map([["x", feeds.get("x")!]]), /the model's inputs offset are not bound/],
    [new Map([...feeds, ["z", feeds.get("x")!]]), /no input "z"; it has x, offset/],
    [
      new Map([...feeds, ["x", tensor("float32", [1, 2], [1, 2])]]),
      /"x" is float32 \[batch,3\], got float32 \[1,2\]/,
    ],
    [
      new Map([...feeds, ["x", tensor("int32", [1, 3], [1, 2, 3])]]),
      /"x" is float32 \[batch,3\], got int32 \[1,3\]/,
    ],
  ];
  for (const [wrong, message] of cases) await assert.rejects(session.run(wrong), message);
});

Deno.test("a session that is disposed of lives on until its bindings are gone", async () => {
  const session = await runtime.session(affineModel());
  const binding = session.binding();
  session[Symbol.dispose]();
  assert.throws(() => session.binding(), /disposed/);
  using x = runtime.value("float32", [1, 3], alignedFloats([1, 2, 3]));
  using offset = runtime.value("float32", [3], alignedFloats([0, 0, 0]));
  binding.input("x", x);
  binding.input("offset", offset);
  binding.outputAuto("y");
  binding.run();
  assert.deepEqual(binding.result("y").dims, [1, 3]);
  binding[Symbol.dispose]();
  assert.throws(() => binding.run(), /disposed/);
});

Deno.test("outputs that are not wanted come with their shape alone", async () => {
  using session = await runtime.session(affineModel());
  const outputs = await session.run(feeds, new Set());
  const { dtype, dims, bytes } = outputs.get("y")!;
  assert.deepEqual([dtype, dims, bytes.byteLength], ["float32", [2, 3], 0]);
  const wanted = await runtime.evaluate(affineModel(), feeds, new Set(["y"]));
  assert.deepEqual([...numbers(wanted.get("y")!)], [12, 24, 36, 18, 30, 42]);
});

Deno.test("a model gives the same wherever its values lie, run after run", async () => {
  for (const memory of ["own", "shared", "pattern"] as const) {
    using first = await runtime.session(affineModel(), { memory });
    using second = await runtime.session(affineModel(), { memory });
    for (const session of [first, second, first, second]) {
      const outputs = await session.run(feeds);
      assert.deepEqual([...numbers(outputs.get("y")!)], [12, 24, 36, 18, 30, 42], memory);
    }
  }
});
