import assert from "node:assert/strict";
import { type Graph, GraphBuilder, tensor, traceFacts } from "../onnx/mod.ts";
import { gradientDeviations } from "./finite_difference.ts";
import { prepare, runtime } from "./rules/gradient_check_test.ts";

/** y = exp(a x), a parameter and an input. */
function exponential(): Graph {
  const b = new GraphBuilder("exponential");
  b.input("x", "float64", ["batch", 3]);
  b.initializer("a", tensor("float64", [3], [0.5, -1, 0.25]));
  b.output(b.node("Exp", [b.node("Mul", ["x", "a"])]), "float64", ["batch", 3]);
  return b.build();
}

async function deviations(prepared = prepare) {
  const graph = exponential();
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
  const feeds = new Map([["x", tensor("float64", [2, 3], [1, 2, 3, -1, 0.5, 0])]]);
  const o = { graph, facts, feeds, wrt: ["x", "a"], prepare: prepared, step: 1e-4 };
  return await gradientDeviations(o);
}

Deno.test("right gradients deviate by no more than the step squared", async () => {
  const found = await deviations();
  assert.deepEqual(found.map(({ value }) => value), ["x", "a"]);
  for (const { relative } of found) assert.ok(relative < 1e-7, String(relative));
});

Deno.test("a wrong gradient shows", async () => {
  const wrong = await deviations(async (graph) => {
    const nodes = graph.nodes.map((node) => node.op === "Exp" ? { ...node, op: "Tanh" } : node);
    const isForward = graph.outputs.length === 1;
    return await prepare(isForward ? { ...graph, nodes } : graph);
  });
  for (const { relative } of wrong) assert.ok(relative > 0.1, String(relative));
});
