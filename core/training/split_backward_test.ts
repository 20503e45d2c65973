import assert from "node:assert/strict";
import type { Node } from "../onnx/mod.ts";
import { splitBackward } from "./split_backward.ts";

/** `op output inputs…` as a node. */
function node(text: string): Node {
  const [op, output, ...inputs] = text.split(" ") as [string, string, ...string[]];
  return { name: output, op, domain: "", inputs, outputs: [output], attributes: {} };
}

function split(
  texts: readonly string[],
  o: { readonly back: string; readonly weights: string; readonly keeps: string },
) {
  const keeps = new Set(`${o.keeps} ${o.weights}`.split(" "));
  const parts = splitBackward(texts.map(node), {
    back: o.back.split(" ").filter((name) => name !== ""),
    weights: o.weights.split(" "),
    keeps: (value) => keeps.has(value),
  });
  const outputs = (nodes: readonly Node[]) => nodes.flatMap(({ outputs }) => outputs).join(" ");
  return { back: outputs(parts.back), weights: outputs(parts.weights) };
}

/** Two linear layers with a Relu between, from y back to x. */
const PERCEPTRON = [
  "MatMul dW2 h dy",
  "ReduceSum db2 dy",
  "MatMul dh dy W2",
  "Mul dz dh mask",
  "MatMul dW1 x dz",
  "ReduceSum db1 dz",
  "MatMul dx dz W1",
];

Deno.test("gradients of weights are left for later, those on the way back are not", () => {
  const parts = split(PERCEPTRON, { back: "dx", weights: "dW1 db1 dW2 db2", keeps: "dy dh dz dx" });
  assert.deepEqual(parts, { back: "dh dz dx", weights: "dW2 db2 dW1 db1" });
});

Deno.test("where nothing goes back everything is for the weights", () => {
  const parts = split(PERCEPTRON, { back: "", weights: "dW1 db1 dW2 db2", keeps: "" });
  assert.deepEqual(parts, { back: "", weights: "dW2 db2 dh dz dW1 db1" });
});

Deno.test("what only moves elements is done twice, so that it need not be kept", () => {
  const texts = [
    "MatMul dh dy W2",
    "Reshape flat dh shape",
    "MatMul dx flat W1",
    "MatMul dW1 x flat",
  ];
  const parts = split(texts, { back: "dx", weights: "dW1", keeps: "dh" });
  assert.deepEqual(parts, { back: "dh flat dx", weights: "flat dW1" });
});

Deno.test("a gradient of a weight that shares work with the way back is made there", () => {
  const texts = ["Mul t dy xh", "ReduceSum dg t", "Sub dx dy t", "ReduceSum db dy"];
  const parts = split(texts, { back: "dx", weights: "dg db", keeps: "dy" });
  assert.deepEqual(parts, { back: "t dg dx", weights: "db" });
});

Deno.test("so is one that reads what cannot be kept, however far behind", () => {
  const texts = ["Mul u dy a", "Reshape v u shape", "Mul dx v b", "Exp w v", "MatMul dW x w"];
  const parts = split(texts, { back: "dx", weights: "dW", keeps: "dy" });
  assert.deepEqual(parts, { back: "u v dx w dW", weights: "" });
});
