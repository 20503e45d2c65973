import assert from "node:assert/strict";
import { checkGraph } from "./check.ts";
import { withChosenBranches } from "./branches.ts";
import { GraphBuilder } from "./builder.ts";
import type { Graph, Node } from "./graph.ts";
import { tensor } from "./tensor.ts";

const node = (name: string, op: string, inputs: string[], outputs: string[]): Node => ({
  name,
  op,
  domain: "",
  inputs,
  outputs,
  attributes: {},
});

function branch(name: string, nodes: readonly Node[], output: string): Graph {
  return {
    name,
    nodes,
    inputs: [],
    outputs: [{ name: output, dtype: "float32" }],
    initializers: new Map([["own", tensor("float32", [], [2])]]),
    opsets: new Map(),
  };
}

/** y = relu(if condition then 2 relu(x) else x), then one more If over the same names. */
function conditional(condition: boolean | undefined): Graph {
  const b = new GraphBuilder("conditional");
  b.input("x", "float32", ["batch", 3]);
  if (condition === undefined) b.input("condition", "bool", []);
  else b.initializer("condition", tensor("bool", [], [condition ? 1 : 0]));
  const doubled = [
    node("first", "Relu", ["x"], ["inner"]),
    node("second", "Mul", ["inner", "own"], ["result"]),
  ];
  const attributes = {
    then_branch: { type: "graph" as const, value: branch("then", doubled, "result") },
    else_branch: { type: "graph" as const, value: branch("else", [], "x") },
  };
  const once = b.node("If", ["condition"], attributes, { name: "once", outputs: ["a"] });
  const again = b.node("If", ["condition"], attributes, { name: "again", outputs: ["b"] });
  b.output(b.node("Add", [once, again], {}, { outputs: ["y"] }), "float32", ["batch", 3]);
  return b.build();
}

const ops = (graph: Graph) => graph.nodes.map(({ op }) => op);

Deno.test("a known condition leaves the nodes of its branch, each with names of their own", () => {
  const graph = withChosenBranches(conditional(true));
  assert.deepEqual(ops(graph), ["Relu", "Mul", "Relu", "Mul", "Add"]);
  assert.deepEqual(graph.nodes[1]!.outputs, ["a"]);
  assert.deepEqual(graph.nodes[1]!.inputs, ["once.inner", "once.own"]);
  assert.deepEqual(graph.nodes[2]!.inputs, ["x"]);
  checkGraph(graph, { file: "test" });
});

Deno.test("a branch that passes an outer value on becomes a copy of it", () => {
  const graph = withChosenBranches(conditional(false));
  assert.deepEqual(ops(graph), ["Identity", "Identity", "Add"]);
  assert.deepEqual(graph.nodes[0]!.inputs, ["x"]);
  checkGraph(graph, { file: "test" });
});

Deno.test("a condition that is fed stays", () => {
  const graph = conditional(undefined);
  assert.equal(withChosenBranches(graph), graph);
});
