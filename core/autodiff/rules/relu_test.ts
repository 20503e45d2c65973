import assert from "node:assert/strict";
import { GraphBuilder, numbers, tensor, traceFacts, writeModel } from "../../onnx/mod.ts";
import type { Graph } from "../../onnx/mod.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { runtime } from "./gradient_check_test.ts";

/** What y = Relu(x) goes into. */
type End = (b: GraphBuilder, y: string) => string;

function graphOf(end: End): Graph {
  const b = new GraphBuilder("relu");
  b.input("x", "float32", ["batch", 1, 2, 2]);
  b.output(end(b, b.node("Relu", ["x"])), "float32");
  return b.build();
}

function axes(b: GraphBuilder, ...values: number[]): string {
  return b.constant(tensor("int64", [values.length], values));
}

/** The gates of the gradient, and the gradient where that of every output is 1. */
async function gradientOf(end: End, x: readonly number[]) {
  const graph = graphOf(end);
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
  const outputs = graph.outputs.map(({ name }) => name);
  const { graph: whole, seeds, gradients } = gradientGraph(graph, facts, { outputs, wrt: ["x"] });
  const feeds = new Map([["x", tensor("float32", [x.length / 4, 1, 2, 2], x)]]);
  const forward = await runtime().evaluate(writeModel(graph), feeds);
  for (const [output, seed] of seeds) {
    const { dims } = forward.get(output)!;
    const count = dims.reduce((product, dim) => product * dim, 1);
    feeds.set(seed, tensor("float32", dims, new Float32Array(count).fill(1)));
  }
  const values = await runtime().evaluate(writeModel(whole), feeds);
  return {
    gates: whole.nodes.map(({ op }) => op).filter((op) => ["HardSigmoid", "Where"].includes(op)),
    dx: numbers(values.get(gradients.get("x")!)!),
  };
}

Deno.test("an infinite gradient is 0 where a Relu is: at roots and logarithms of it", async () => {
  const cases: [end: End, x: number[], expected: number[]][] = [
    [(b, y) => b.node("Sqrt", [y]), [-1, -2, 4, 1], [0, 0, 1 / 4, 1 / 2]],
    [
      (b, y) => {
        const squares = b.node("Reshape", [b.node("Mul", [y, y]), axes(b, 0, -1)]);
        return b.node("Sqrt", [b.node("ReduceSum", [squares, axes(b, 1)])]);
      },
      [-1, -2, 0, -4, 3, 0, -1, 4],
      [0, 0, 0, 0, 0.6, 0, 0, 0.8],
    ],
    [
      (b, y) => b.node("Log", [b.node("MaxPool", [y], { kernel_shape: [1, 2] })]),
      [-1, -2, 4, 1],
      [0, 0, 1 / 4, 0],
    ],
    [(b, y) => b.node("ThresholdedRelu", [b.node("Sqrt", [y])]), [-1, 0, 9, 4], [
      0,
      0,
      1 / 6,
      1 / 4,
    ]],
  ];
  for (const [end, x, expected] of cases) {
    const { dx } = await gradientOf(end, x);
    dx.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${dx}`));
  }
});

Deno.test("where nothing behind a Relu has a pole a product serves, which is faster", async () => {
  const gatesOf = async (end: End) => (await gradientOf(end, [-1, 2, 3, -4])).gates;
  const weight = tensor("float32", [1, 1, 2, 2], [1, 2, 3, 4]);
  const conv: End = (b, y) => b.node("Conv", [y, b.initializer("w", weight)]);
  for (const end of [conv, (b: GraphBuilder, y: string) => b.node("Exp", [y])]) {
    assert.deepEqual(await gatesOf(end), ["HardSigmoid"]);
  }
  // A convolution mixes elements: what is infinite behind it is everywhere.
  assert.deepEqual(await gatesOf((b, y) => b.node("Log", [conv(b, y)])), ["HardSigmoid"]);
  const with2 = (op: string, swapped = false): End => (b, y) => {
    const inputs = [y, b.constant(tensor("float32", [], [2]))];
    return b.node(op, swapped ? inputs.reverse() : inputs);
  };
  for (const end of [with2("Div"), with2("Pow")]) {
    assert.deepEqual(await gatesOf(end), ["HardSigmoid"]);
  }
  const half: End = (b, y) => b.node("Pow", [y, b.constant(tensor("float32", [], [0.5]))]);
  for (const end of [half, with2("Div", true)]) assert.deepEqual(await gatesOf(end), ["Where"]);
});
