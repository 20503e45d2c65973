import assert from "node:assert/strict";
import { differentiate } from "../differentiate.ts";
import { float, MICROSOFT } from "../emit.ts";
import { type Case, testCases, unary } from "./gradient_check_test.ts";

const double = { dtype: "float64" as const };
const microsoft = { domain: MICROSOFT };

/** Slopes of a PRelu broadcast from every shape that reaches x. */
const slopes: Case[] = [[4], [3, 1], [1], [], [3, 4], [1, 1, 4]].map((slope) => ({
  op: "PRelu",
  ...double,
  operands: [["batch", 3, 4], slope],
}));

testCases("Relu, LeakyRelu, PRelu, ThresholdedRelu, Shrink", [
  ...unary("Relu", double),
  ...unary("LeakyRelu", { ...double, attributes: { alpha: float(0.2) } }),
  ...unary("LeakyRelu", { ...double, attributes: { alpha: float(-0.3) } }),
  ...slopes,
  { op: "PRelu", ...double, operands: [["batch", 3, 2, 2], [3, 1, 1]] },
  ...unary("ThresholdedRelu", { range: [1.1, 2] }),
  ...unary("ThresholdedRelu", { range: [0.2, 0.9] }),
  ...unary("ThresholdedRelu", { attributes: { alpha: float(-0.5) }, range: [-0.4, 0.4] }),
  ...unary("ThresholdedRelu", { attributes: { alpha: float(-0.5) }, range: [-1.4, -0.6] }),
  ...unary("Shrink", { ...double, tolerance: 1e-3 }),
  ...unary("Shrink", {
    ...double,
    tolerance: 1e-3,
    attributes: { lambd: float(0.8), bias: float(0.3) },
  }),
]);

testCases("Elu, Celu, Selu", [
  ...unary("Elu", { attributes: { alpha: float(0.7) } }),
  ...unary("Elu", { attributes: { alpha: float(-0.4) }, range: [-1.5, -0.1] }),
  ...unary("Elu", { attributes: { alpha: float(2) }, range: [-3, -0.1] }),
  ...unary("Elu", { range: [-3, -0.1] }),
  ...unary("Elu", { range: [0.1, 3] }),
  ...unary("Celu"),
  ...unary("Celu", { attributes: { alpha: float(-0.5) }, range: [-0.8, -0.1] }),
  ...unary("Celu", { attributes: { alpha: float(0.5) }, range: [-2, -0.1] }),
  ...unary("Celu", { attributes: { alpha: float(3) }, range: [0.1, 2] }),
  ...unary("Selu", { range: [-3, -0.1] }),
  ...unary("Selu", { range: [0.1, 2] }),
  ...unary("Selu", { attributes: { alpha: float(1.2), gamma: float(0.8) }, range: [-2, -0.1] }),
]);

testCases("Sigmoid, Tanh, Softplus, Softsign", [
  ...unary("Sigmoid", double),
  ...unary("Tanh", double),
  ...unary("Softplus"),
  ...unary("Softsign", { range: [0.1, 2] }),
]);

testCases("Gelu, QuickGelu, Swish, Mish", [
  ...unary("Gelu", { opset: 20 }),
  ...unary("Gelu", { opset: 20, attributes: { approximate: "tanh" } }),
  ...unary("Gelu", microsoft),
  ...unary("FastGelu", microsoft),
  ...unary("QuickGelu", microsoft),
  ...unary("QuickGelu", { ...microsoft, attributes: { alpha: float(0.5) }, range: [-6, 6] }),
  ...unary("Swish", { ...double, opset: 24 }),
  ...unary("Swish", { ...double, opset: 24, attributes: { alpha: float(1.5) }, range: [-8, 8] }),
  ...unary("Mish", { opset: 18 }),
  ...unary("Mish", { ...double, opset: 18, range: [-8, 8] }),
]);

testCases("HardSigmoid, HardSwish", [
  ...unary("HardSigmoid", { attributes: { alpha: float(0.5) }, range: [-0.9, 0.9] }),
  ...unary("HardSigmoid", { range: [3, 5] }),
  ...unary("HardSwish", { range: [-2.5, 2.5] }),
  ...unary("HardSwish", { range: [3.5, 5] }),
]);

/** Number of nodes of the gradient of y = op(x). */
function nodesFor(op: string, domain: string): number {
  const fact = { dtype: "float32" as const, dims: [{ perSample: 1 }, 8] };
  const graph = {
    name: "one",
    inputs: [{ name: "x", dtype: fact.dtype, shape: ["batch", 8] }],
    outputs: [{ name: "y", dtype: fact.dtype, shape: ["batch", 8] }],
    nodes: [{ name: "node", op, domain, inputs: ["x"], outputs: ["y"], attributes: {} }],
    initializers: new Map(),
    opsets: new Map([["", 24], [MICROSOFT, 1]]),
  };
  const facts = new Map([["x", fact], ["y", fact]]);
  return differentiate({ graph, facts, seeds: new Map([["y", "dy"]]), wrt: ["x"] }).nodes.length;
}

Deno.test("gradients of activations take few nodes, as each costs some microseconds", () => {
  const most: [nodes: number, operators: string[]][] = [
    [2, ["Softplus"]],
    [3, ["Relu", "Sigmoid", "Tanh", "Elu", "Celu", "ThresholdedRelu", "Clip"]],
    [4, ["Selu", "Softsign", "Shrink", "Softmax", "LogSoftmax"]],
    [5, ["LeakyRelu", "Swish"]],
    [10, ["HardSwish", "HardSigmoid", "Mish"]],
    [11, ["Gelu"]],
  ];
  for (const [nodes, operators] of most) {
    for (const op of operators) assert.ok(nodesFor(op, "") <= nodes, op);
  }
  assert.ok(nodesFor("QuickGelu", MICROSOFT) <= 7);
  assert.ok(nodesFor("FastGelu", MICROSOFT) <= 12);
});
