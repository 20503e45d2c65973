import assert from "node:assert/strict";
import { GraphBuilder, numbers, tensor, traceFacts, writeModel } from "../../onnx/mod.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { type Case, runtime, testCases } from "./gradient_check_test.ts";

const positive = (dims: readonly number[]) => ({ dims, range: [0.5, 2] as const, fixed: true });
const fixed = (dims: readonly number[]) => ({ dims, fixed: true });

/** Batch statistics in float64: the differences of a normalised value are small. */
function training(dims: readonly (number | "batch")[]): Case {
  const c = [Number(dims[1])];
  return {
    op: "BatchNormalization",
    dtype: "float64",
    operands: [dims, c, c, fixed(c), positive(c)],
    attributes: { training_mode: 1, epsilon: 0.01, momentum: { type: "float", value: 0 } },
    outputs: 3,
    used: 1,
    tolerance: 1e-5,
  };
}

testCases("BatchNormalization with the batch's statistics", [
  training(["batch", 3]),
  training(["batch", 3, 4]),
  training(["batch", 2, 3, 3]),
  training(["batch", 1, 3, 3]),
  training(["batch", 2, 2, 1, 3]),
]);

testCases("BatchNormalization with stored statistics", [
  ...[9, 15].flatMap((opset) =>
    [["batch", 3], ["batch", 2, 3, 3]].map((dims): Case => {
      const c = [Number(dims[1])];
      const operands = [dims as ("batch" | number)[], c, c, fixed(c), positive(c)];
      return { op: "BatchNormalization", opset, dtype: "float64", operands };
    })
  ),
]);

/** Doubles where ONNX Runtime's kernel computes in them; LayerNormalization's statistics do not. */
testCases("LayerNormalization of every form", [
  { op: "LayerNormalization", operands: [["batch", 4], [4], [4]] },
  { op: "LayerNormalization", operands: [["batch", 3, 4], [4]] },
  { op: "LayerNormalization", operands: [["batch", 2, 3, 4], [4], [4]] },
  { op: "LayerNormalization", opset: 16, operands: [["batch", 3, 4], [4], [4]] },
  { op: "LayerNormalization", opset: 22, operands: [["batch", 3, 4], [4], [4]] },
  { op: "LayerNormalization", attributes: { axis: 1 }, operands: [["batch", 3, 4], [3, 4]] },
  { op: "LayerNormalization", attributes: { axis: -2 }, operands: [["batch", 2, 3, 4], [3, 4]] },
  {
    op: "LayerNormalization",
    attributes: { axis: 1 },
    operands: [["batch", 3, 4], [3, 4], [3, 4]],
  },
  { op: "LayerNormalization", operands: [["batch", 3, 4], [4], [4]], outputs: 3, used: 1 },
  { op: "LayerNormalization", dtype: "float64", operands: [["batch", 4], [4]], tolerance: 1e-3 },
]);

Deno.test("LayerNormalization has the same gradients for few threads and for many", async () => {
  const builder = new GraphBuilder("layer norm");
  const wave = (dims: readonly number[], level: number) => {
    const size = dims.reduce((product, n) => product * n, 1);
    return tensor("float32", dims, Array.from({ length: size }, (_, i) => Math.sin(i) + level));
  };
  builder.input("x", "float32", ["batch", 3, 8]);
  for (const name of ["scale", "bias"]) builder.initializer(name, wave([8], 1));
  const operands = ["x", "scale", "bias"];
  builder.nodes("LayerNormalization", operands, {}, { outputs: ["y", "mean", "inverse"] });
  builder.output("y", "float32");
  const graph = builder.build();
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
  const gradientsOn = async (threads: number) => {
    const made = gradientGraph(graph, facts, { outputs: ["y"], wrt: operands, threads });
    const feeds = new Map([
      ["x", wave([5, 3, 8], 2)],
      ["scale", wave([8], 1)],
      ["bias", wave([8], 1)],
      [made.seeds.get("y")!, wave([5, 3, 8], 0)],
    ]);
    const values = await runtime().evaluate(writeModel(made.graph), feeds);
    const gradients = operands.map((name) => numbers(values.get(made.gradients.get(name)!)!));
    return { ops: new Set(made.graph.nodes.map(({ op }) => op)), gradients };
  };
  const [few, many] = [await gradientsOn(1), await gradientsOn(8)];
  assert.ok(few.ops.has("BatchNormalization") && !many.ops.has("BatchNormalization"));
  few.gradients.forEach((gradient, i) =>
    gradient.forEach((value, j) => assert.ok(Math.abs(value - many.gradients[i]![j]!) < 1e-5))
  );
});

testCases("InstanceNormalization", [
  { op: "InstanceNormalization", operands: [["batch", 3, 5], [3], [3]] },
  { op: "InstanceNormalization", operands: [["batch", 3, 2, 4], [3], [3]], opset: 22 },
  { op: "InstanceNormalization", operands: [["batch", 1, 3, 3], [1], [1]], opset: 9 },
  { op: "InstanceNormalization", operands: [[2, 3, 2, 2, 2], [3], [3]] },
]);

const groups = (num_groups: number) => ({ num_groups, epsilon: 0.01 });

testCases("GroupNormalization: opset 18 scales groups, opset 21 channels", [
  ...([18, 20] as const).flatMap((opset): Case[] => [
    {
      op: "GroupNormalization",
      opset,
      attributes: groups(2),
      operands: [["batch", 4, 3], [2], [2]],
    },
    {
      op: "GroupNormalization",
      opset,
      attributes: groups(3),
      operands: [["batch", 6, 2, 2], [3], [3]],
    },
  ]),
  ...([1, 2, 4].map((count): Case => ({
    op: "GroupNormalization",
    opset: 21,
    attributes: groups(count),
    operands: [["batch", 4, 3, 2], [4], [4]],
  }))),
  { op: "GroupNormalization", opset: 22, attributes: groups(2), operands: [[2, 4, 3], [4], [4]] },
]);

testCases("RMSNormalization and SimplifiedLayerNormalization", [
  { op: "RMSNormalization", opset: 23, operands: [["batch", 4], [4]] },
  { op: "RMSNormalization", opset: 23, operands: [["batch", 2, 3, 4], [4]] },
  {
    op: "RMSNormalization",
    opset: 23,
    attributes: { axis: 1 },
    operands: [["batch", 3, 4], [3, 4]],
  },
  { op: "SimplifiedLayerNormalization", operands: [["batch", 4], [4]] },
  { op: "SimplifiedLayerNormalization", operands: [["batch", 3, 4], [4]], outputs: 2, used: 1 },
  {
    op: "SimplifiedLayerNormalization",
    attributes: { axis: 1, epsilon: 0.1 },
    operands: [["batch", 3, 4], [3, 4]],
  },
]);

const domain = "com.microsoft";
const rows = ["batch", 3, 4] as const;
const outputs4 = (...used: readonly number[]) =>
  [0, 1, 2, 3].map((i) => used.includes(i) ? `y${i}` : "");

testCases("normalization of a sum", [
  ...["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"].flatMap((op): Case[] => {
    const beta = op === "SkipLayerNormalization" ? [[4]] : [];
    return [
      { op, domain, operands: [rows, rows, [4]] },
      { op, domain, operands: [rows, rows, [4], ...beta] },
      { op, domain, operands: [rows, rows, [4], ...beta, [4]] },
      { op, domain, operands: [rows, rows, [4], ...beta, [4]], outputs: outputs4(0, 3) },
      { op, domain, operands: [rows, rows, [4], ...beta], outputs: outputs4(0, 3) },
      { op, domain, operands: [["batch", 4], ["batch", 4], [4], ...beta] },
      { op, domain, operands: [rows, [3, 4], [4], ...beta] },
    ];
  }),
]);

testCases("LRN", [
  ...[1, 3, 5].map((size): Case => ({
    op: "LRN",
    attributes: { size, alpha: 0.5, beta: 0.75, bias: { type: "float", value: 2 } },
    operands: [["batch", 5, 2, 3]],
  })),
  { op: "LRN", attributes: { size: 3 }, operands: [["batch", 4, 2, 2]], opset: 9 },
]);
