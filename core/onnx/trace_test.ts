import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { Runtime } from "../runtime/mod.ts";
import { GraphBuilder } from "./builder.ts";
import type { Dimension, Graph } from "./graph.ts";
import { graphOf, ifNode, node } from "./sample_graphs.ts";
import { int64s, scalar, tensor } from "./tensor.ts";
import { traceFacts, type TraceOptions } from "./trace.ts";

function trace(graph: Graph, options: Partial<TraceOptions> = {}) {
  using runtime = Runtime.open();
  return traceFacts(graph, runtime.evaluate, { batch: 4, file: "m.onnx", ...options });
}

async function refused(
  graph: Graph,
  pattern: RegExp,
  options: Partial<TraceOptions> = {},
): Promise<void> {
  await assert.rejects(trace(graph, options), (e) => {
    assert.ok(e instanceof RavnError, `${e}`);
    assert.match(e.message, pattern);
    return true;
  });
}

const B = { perSample: 1 };

Deno.test("types and shapes are exact, the batch symbolic", async () => {
  const builder = new GraphBuilder("shapes");
  const x = builder.input("x", "float32", ["batch", 3, 4]);
  const w = builder.initializer("w", tensor("float32", [4, 5], new Float32Array(20)));
  const rows = builder.node("Reshape", [x, builder.constant(int64s([-1, 4]), "shape")], {}, {
    outputs: ["rows"],
  });
  const y = builder.node("MatMul", [rows, w], {}, { outputs: ["y"] });
  builder.node("ArgMax", [y], { axis: 0, keepdims: 0 }, { outputs: ["best"] });
  builder.nodes("Split", [x], { axis: 2 }, { outputs: ["left", "right"] });
  builder.output(y, "float32");
  const facts = await trace(builder.build());
  const shapes = ["x", "rows", "y", "best", "left", "right", "w"].map((name) =>
    facts.get(name)!.dims
  );
  assert.deepEqual(shapes, [
    [B, 3, 4],
    [{ perSample: 3 }, 4],
    [{ perSample: 3 }, 5],
    [5],
    [B, 3, 2],
    [B, 3, 2],
    [4, 5],
  ]);
  assert.equal(facts.get("best")!.dtype, "int64");
  assert.equal(facts.get("y")!.constant, undefined);
  assert.ok(facts.get("w")!.constant);
});

Deno.test("shape arithmetic gives constants, or integers that follow the batch", async () => {
  const graph = graphOf([
    node("Shape", ["x"], ["shape"]),
    node("Gather", ["shape", "one"], ["width"]),
    node("Mul", ["shape", "three"], ["tripled"]),
    node("Sub", ["shape", "one"], ["fewer"]),
    node("Cast", ["x"], ["integers"], { attributes: { to: { type: "int", value: 7 } } }),
    node("Range", ["zero", "four", "step"], ["range"]),
    node("Identity", ["x"], ["y"]),
  ], {
    initializers: new Map([
      ["one", int64s([1])],
      ["three", int64s([3])],
      ["zero", scalar("int64", 0)],
      ["four", scalar("int64", 4)],
      ["step", scalar("int64", 1)],
    ]),
  });
  const facts = await trace(graph);
  assert.deepEqual(facts.get("shape")!.extents, [B, 4]);
  assert.equal(facts.get("shape")!.constant, undefined);
  assert.deepEqual(facts.get("width")!.constant, int64s([4]));
  assert.deepEqual(facts.get("tripled")!.extents, [{ perSample: 3 }, 12]);
  // One less than the batch is no multiple of it.
  assert.deepEqual([facts.get("fewer")!.extents, facts.get("fewer")!.constant], [
    undefined,
    undefined,
  ]);
  assert.equal(facts.get("integers")!.constant, undefined);
  assert.deepEqual(facts.get("range")!.constant, int64s([0, 1, 2, 3]));
});

Deno.test("what is computed from a parameter is no constant", async () => {
  const graph = graphOf([
    node("Transpose", ["w"], ["t"]),
    node("MatMul", ["x", "t"], ["y"]),
  ], { initializers: new Map([["w", tensor("float32", [4, 4], new Float32Array(16))]]) });
  assert.equal((await trace(graph)).get("t")!.constant, undefined);
  const frozen = await trace(graph, { parameters: new Set() });
  assert.deepEqual(frozen.get("t")!.constant!.dims, [4, 4]);
});

Deno.test("batch norm and dropout in training mode are traced", async () => {
  const builder = new GraphBuilder("training");
  const x = builder.input("x", "float32", ["batch", 2, 3, 3]);
  const channel = (name: string, value: number) =>
    builder.initializer(name, tensor("float32", [2], [value, value]));
  const inputs = [x, channel("g", 1), channel("b", 0), channel("m", 0), channel("v", 1)];
  const outputs = ["normal", "mean", "variance"];
  builder.nodes("BatchNormalization", inputs, { training_mode: 1 }, { outputs });
  const ratio = builder.constant(scalar("float32", 0.5));
  const training = builder.constant(scalar("bool", 1));
  builder.nodes("Dropout", ["normal", ratio, training], {}, { outputs: ["y", "mask"] });
  builder.output("y", "float32");
  const facts = await trace(builder.build());
  assert.deepEqual(facts.get("mean"), { dtype: "float32", dims: [2] });
  assert.deepEqual(facts.get("mask"), { dtype: "bool", dims: [B, 2, 3, 3] });
});

Deno.test("values that only subgraphs use are traced at their node", async () => {
  const graph = graphOf([ifNode("yes", "y")], {
    initializers: new Map([
      ["yes", scalar("bool", 1)],
      ["w", tensor("float32", [4], [1, 2, 3, 4])],
    ]),
    opsets: new Map([["", 17], ["com.microsoft", 1]]),
  });
  assert.deepEqual((await trace(graph)).get("y")!.dims, [B, 4]);
});

Deno.test("a fixed batch size is freed where the graph lets it", async () => {
  const fixed = (shape: Dimension[], reshape: number[]) =>
    graphOf([node("Reshape", ["x", "shape"], ["y"])], {
      inputs: [{ name: "x", dtype: "float32", shape }],
      outputs: [{ name: "y", dtype: "float32", shape: reshape.map((n) => n === -1 ? "n" : n) }],
      initializers: new Map([["shape", int64s(reshape)]]),
    });
  const facts = await trace(fixed([64, 4], [-1, 2, 2]));
  assert.deepEqual(facts.get("y")!.dims, [B, 2, 2]);
  assert.deepEqual(facts.get("x")!.dims, [B, 4]);
  await refused(
    fixed([4, 4], [4, 2, 2]),
    /^m\.onnx: the batch size is fixed at 4 and cannot be changed \(.*5 samples: .*Reshape/,
  );
  // This one runs, but deals the samples out to the wrong rows.
  await refused(fixed([4, 4], [4, -1]), /fixed at 4 .*'y' keeps 4 rows.*free first dimension/);
});

Deno.test("what does not run, or has a shape that depends on data, is refused", async () => {
  await refused(
    graphOf([node("NonZero", ["x"], ["y"], { name: "nz" })], {
      outputs: [{ name: "y", dtype: "int64" }],
    }),
    /node 'nz' \(NonZero\): the shape of 'y' is \[2,6\] with 4 samples and \[2,7\] with 5/,
    { inputs: new Map([["x", tensor("float32", [3, 4], [1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])]]) },
  );
  await refused(
    graphOf([node("MatMul", ["x", "w"], ["y"], { name: "mm" })], {
      initializers: new Map([["w", tensor("float32", [3, 3], new Float32Array(9))]]),
    }),
    /^m\.onnx: does not run with 4 samples: .*mm/,
  );
  await refused(
    graphOf([node("SequenceConstruct", ["x"], ["s"], { name: "sc" }), node("Relu", ["x"], ["y"])]),
    /node 'sc' \(SequenceConstruct\): works on sequences/,
  );
});

Deno.test("large weights are fed beside the model, and only shapes are read back", async () => {
  const weight = tensor("float32", [256, 256], new Float32Array(2 ** 16));
  const graph = graphOf(
    [node("Reshape", ["x", "rows"], ["r"]), node("MatMul", ["r", "w"], ["y"])],
    {
      inputs: [{ name: "x", dtype: "float32", shape: ["batch", 2, 256] }],
      initializers: new Map([["w", weight], ["rows", int64s([-1, 256])]]),
    },
  );
  using runtime = Runtime.open();
  const facts = await traceFacts(graph, (model, feeds, wanted) => {
    assert.ok(model.byteLength < weight.bytes.byteLength);
    assert.equal(feeds.get("w"), weight);
    assert.deepEqual(wanted, new Set());
    return runtime.evaluate(model, feeds, wanted);
  }, { batch: 2 });
  assert.deepEqual(facts.get("y")!.dims, [{ perSample: 2 }, 256]);
  assert.equal(facts.get("w")!.constant, weight);
});
