import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import { checkGraph } from "./check.ts";
import type { Node } from "./graph.ts";
import { inTopologicalOrder } from "./order.ts";
import { graphOf, ifNode, node } from "./sample_graphs.ts";
import { scalar } from "./tensor.ts";

Deno.test("a graph in order is returned as it is", () => {
  const graph = graphOf([node("Relu", ["x"], ["a"]), node("Relu", ["a"], ["y"])]);
  assert.equal(inTopologicalOrder(graph, "m.onnx"), graph);
});

Deno.test("nodes in any order come into one that computes before it reads", () => {
  const random = new Random(7);
  for (let round = 0; round < 20; round++) {
    const nodes: Node[] = [node("Relu", ["x"], ["v0"])];
    for (let i = 1; i < 40; i++) {
      const inputs = [`v${random.integer(i)}`, `v${random.integer(i)}`];
      nodes.push(node("Add", inputs, [i === 39 ? "y" : `v${i}`]));
    }
    random.shuffle(nodes);
    const sorted = inTopologicalOrder(graphOf(nodes), "m.onnx");
    checkGraph(sorted, { file: "m.onnx" });
    assert.deepEqual(new Set(sorted.nodes), new Set(nodes));
  }
});

Deno.test("values that a subgraph reads count", () => {
  const sorted = inTopologicalOrder(
    graphOf([ifNode("yes", "y"), node("Neg", ["v"], ["w"])], {
      initializers: new Map([["yes", scalar("bool", 1)], ["v", scalar("float32", 1)]]),
    }),
    "m.onnx",
  );
  assert.deepEqual(sorted.nodes.map(({ op }) => op), ["Neg", "If"]);
});

Deno.test("a cycle is refused, however long, and however deep the graph", () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => node("Neg", [`v${i}`], [`v${i + 1}`]));
  const cut = graphOf([...chain.toReversed(), node("Neg", ["x"], ["v0"])]);
  assert.equal(inTopologicalOrder(cut, "m.onnx").nodes.length, 20_001);
  const ring = graphOf([...chain, node("Neg", ["v20000"], ["v0"])]);
  assert.throws(
    () => inTopologicalOrder(ring, "m.onnx"),
    (e) => e instanceof RavnError && /^m\.onnx: node 'Neg of v\d+' \(Neg\) needs/.test(e.message),
  );
});
