import assert from "node:assert/strict";
import { checkGraph } from "./check.ts";
import { graphOf, node } from "./sample_graphs.ts";
import { int64s, type Tensor, tensor } from "./tensor.ts";
import { withTiedProjections } from "./tied.ts";

const TABLE = tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]);
const TURNED = tensor("float32", [2, 3], [1, 3, 5, 2, 4, 6]);

function model(projection: Tensor) {
  return graphOf([
    node("Gather", ["table", "ids"], ["rows"]),
    node("MatMul", ["rows", "projection"], ["y"]),
  ], {
    inputs: [],
    initializers: new Map([["ids", int64s([2, 0])], ["table", TABLE], ["projection", projection]]),
  });
}

Deno.test("a transposed copy of the embedding is tied to it", () => {
  const tied = withTiedProjections(model(TURNED));
  checkGraph(tied, { file: "tied" });
  assert.deepEqual([...tied.initializers.keys()], ["ids", "table"]);
  assert.deepEqual(tied.nodes.map(({ op }) => op), ["Gather", "Transpose", "MatMul"]);
});

Deno.test("other matrices are left alone", () => {
  const off = tensor("float32", [2, 3], [1, 3, 5, 2, 4, 7]);
  const wide = tensor("float32", [2, 4], new Float32Array(8));
  for (const graph of [model(off), model(wide)]) assert.equal(withTiedProjections(graph), graph);
  const zeros = model(tensor("float32", [2, 3], new Float32Array(6)));
  const blank = tensor("float32", [3, 2], new Float32Array(6));
  const equal = { ...zeros, initializers: new Map([...zeros.initializers, ["table", blank]]) };
  assert.equal(withTiedProjections(equal), equal);
});
