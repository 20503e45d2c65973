import assert from "node:assert/strict";
import { graphOf, ifNode, node } from "./sample_graphs.ts";
import { capturesOf, readsOf, subgraphsOf, withInputsRenamed } from "./subgraphs.ts";

Deno.test("a node reads its inputs and what its subgraphs capture", () => {
  assert.deepEqual([...readsOf(node("Clip", ["x", "", "high"], ["y"]))], ["x", "high"]);
  assert.deepEqual(readsOf(ifNode("yes", "y")), new Set(["yes", "x", "w"]));
  assert.equal(subgraphsOf(ifNode("yes", "y")).length, 2);
});

Deno.test("a graph captures what it reads and does not define, outputs included", () => {
  const graph = graphOf([node("Add", ["x", "a"], ["b"]), ifNode("b", "c")]);
  assert.deepEqual(capturesOf(graph), new Set(["a", "w", "y"]));
});

Deno.test("renaming reaches into subgraphs, but not to what they define", () => {
  const renamed = withInputsRenamed(
    ifNode("yes", "y"),
    new Map([["w", "weight"], ["yes", "condition"], ["sum", "total"]]),
  );
  assert.deepEqual(renamed.inputs, ["condition"]);
  assert.deepEqual(readsOf(renamed), new Set(["condition", "x", "weight"]));
  assert.deepEqual(subgraphsOf(renamed)[0]!.outputs[0]!.name, "sum");
  const untouched = node("Add", ["a", "b"], ["c"]);
  assert.equal(withInputsRenamed(untouched, new Map([["x", "z"]])), untouched);
});
