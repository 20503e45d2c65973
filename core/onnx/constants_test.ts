import assert from "node:assert/strict";
import { constantOf, withConstantsAsInitializers } from "./constants.ts";
import type { Attribute } from "./graph.ts";
import { graphOf, ifNode, node } from "./sample_graphs.ts";
import { readsOf } from "./subgraphs.ts";
import { scalar, tensor } from "./tensor.ts";

function constant(key: string, attribute: Attribute) {
  return constantOf(node("Constant", [], ["c"], { attributes: { [key]: attribute } }));
}

Deno.test("Constant has six numeric forms, of which the reader knows all", () => {
  const value = tensor("float32", [2], [1, 2]);
  assert.deepEqual(constant("value", { type: "tensor", value }), value);
  assert.deepEqual(constant("value_float", { type: "float", value: 2 }), scalar("float32", 2));
  assert.deepEqual(constant("value_int", { type: "int", value: -2 }), scalar("int64", -2));
  assert.deepEqual(constant("value_floats", { type: "floats", value: [1, 2] }), value);
  assert.deepEqual(
    constant("value_ints", { type: "ints", value: [1, 2] }),
    tensor("int64", [2], [1, 2]),
  );
  assert.equal(constant("value_string", { type: "string", value: "a" }), undefined);
});

Deno.test("subgraphs see the initializer that an Identity passed on", () => {
  const graph = withConstantsAsInitializers(graphOf([
    node("Identity", ["v"], ["w"]),
    ifNode("yes", "y"),
  ], { initializers: new Map([["yes", scalar("bool", 1)], ["v", scalar("float32", 1)]]) }));
  assert.equal(graph.nodes.length, 1);
  assert.deepEqual(readsOf(graph.nodes[0]!), new Set(["yes", "x", "v"]));
});
