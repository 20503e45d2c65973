import assert from "node:assert/strict";
import { Runtime } from "../runtime/mod.ts";
import { checkGraph } from "./check.ts";
import type { Attribute, Graph, Node } from "./graph.ts";
import { graphOf, node } from "./sample_graphs.ts";
import { withoutSequences } from "./sequences.ts";
import { int64s, scalar, type Tensor, tensor } from "./tensor.ts";
import { writeModel } from "./write.ts";

const int = (value: number): Attribute => ({ type: "int", value });

const CONSTANTS = new Map<string, Tensor>([
  ...[-2, -1, 0, 1, 2].map((index) => [`${index}`, scalar("int64", index)] as const),
  ["sizes", int64s([1, 3])],
]);

/** A graph over `x` [2, 3, 4]. */
function over(...nodes: readonly Node[]): Graph {
  return graphOf(nodes, {
    inputs: [{ name: "x", dtype: "float32", shape: [2, 3, 4] }],
    initializers: CONSTANTS,
  });
}

/** Part `index` of `x`, split along `axis`. */
function part(index: number, split: string, attributes: Record<string, Attribute>): Graph {
  return over(
    node("SplitToSequence", split === "" ? ["x"] : ["x", split], ["parts"], { attributes }),
    node("SequenceAt", ["parts", `${index}`], ["y"]),
  );
}

/** `x` and its negative, joined. */
function joined(attributes: Record<string, Attribute>): Graph {
  return over(
    node("Neg", ["x"], ["negative"]),
    node("SequenceConstruct", ["x", "negative"], ["both"]),
    node("ConcatFromSequence", ["both"], ["y"], { attributes }),
  );
}

const GRAPHS: readonly (readonly [Graph, readonly string[]])[] = [
  [part(1, "", { axis: int(1), keepdims: int(0) }), ["Slice", "Squeeze"]],
  [part(-1, "", { axis: int(1), keepdims: int(0) }), ["Slice", "Squeeze"]],
  [part(-2, "", { axis: int(-1) }), ["Slice"]],
  [part(2, "1", { axis: int(2), keepdims: int(0) }), ["Slice", "Squeeze"]],
  [part(1, "2", { axis: int(1) }), ["Slice"]],
  [part(0, "2", { axis: int(2) }), ["Slice"]],
  [part(1, "sizes", { axis: int(2) }), ["Split", "Identity"]],
  [part(-2, "sizes", { axis: int(-1) }), ["Split", "Identity"]],
  [joined({ axis: int(1) }), ["Neg", "Concat"]],
  [joined({ axis: int(1), new_axis: int(1) }), ["Neg", "Unsqueeze", "Unsqueeze", "Concat"]],
  [joined({ axis: int(-1), new_axis: int(1) }), ["Neg", "Unsqueeze", "Unsqueeze", "Concat"]],
  [
    over(
      node("Neg", ["x"], ["negative"]),
      node("SequenceConstruct", ["x", "negative"], ["both"]),
      node("SequenceAt", ["both", "-1"], ["y"]),
    ),
    ["Neg", "Identity"],
  ],
];

Deno.test("parts and joined tensors are the same without sequences", async () => {
  using runtime = Runtime.open();
  const x = tensor("float32", [2, 3, 4], Array.from({ length: 24 }, (_, i) => Math.sin(i)));
  const run = (graph: Graph) => runtime.evaluate(writeModel(graph), new Map([["x", x]]));
  for (const [graph, operators] of GRAPHS) {
    const plain = withoutSequences(graph);
    assert.deepEqual(plain.nodes.map(({ op }) => op), operators);
    checkGraph(plain, { file: "plain" });
    assert.deepEqual(await run(plain), await run(graph));
  }
});

Deno.test("all parts of a list of sizes come from one Split", () => {
  const graph = over(
    node("SplitToSequence", ["x", "sizes"], ["parts"], { attributes: { axis: int(2) } }),
    node("SequenceAt", ["parts", "0"], ["a"]),
    node("SequenceAt", ["parts", "1"], ["b"]),
    node("Add", ["a", "b"], ["y"]),
  );
  const operators = withoutSequences(graph).nodes.map(({ op }) => op);
  assert.deepEqual(operators, ["Split", "Identity", "Identity", "Add"]);
});

Deno.test("what cannot be said in advance stays", () => {
  const later = over(
    node("SplitToSequence", ["x", "2"], ["parts"]),
    node("SequenceLength", ["parts"], ["y"]),
  );
  assert.deepEqual(withoutSequences(later), later);
  const fromEnd = part(-1, "2", {});
  assert.deepEqual(withoutSequences(fromEnd), fromEnd);
  const tensors = over(node("Neg", ["x"], ["y"]));
  assert.equal(withoutSequences(tensors), tensors);
});
