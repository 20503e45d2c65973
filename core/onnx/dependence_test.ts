import assert from "node:assert/strict";
import { varyingValues } from "./dependence.ts";
import { graphOf, ifNode, node } from "./sample_graphs.ts";
import { int64s, scalar, tensor } from "./tensor.ts";

const initializers = new Map([
  ["w", tensor("float32", [2], [1, 2])],
  ["half", scalar("float32", 0.5)],
  ["axis", int64s([0])],
  ["yes", scalar("bool", 1)],
]);

function varying(nodes: Parameters<typeof graphOf>[0], parameters?: ReadonlySet<string>) {
  const found = varyingValues(graphOf(nodes, { initializers }), parameters);
  return (name: string) => found.has(name);
}

Deno.test("Shape and Size end the dependence on data", () => {
  const varies = varying([
    node("Relu", ["x"], ["r"]),
    node("Shape", ["r"], ["s"]),
    node("Size", ["w"], ["n"]),
    node("Gather", ["s", "axis"], ["b"]),
    node("Gather", ["r", "axis"], ["row"]),
  ]);
  assert.deepEqual(
    ["x", "r", "s", "n", "b", "row"].map(varies),
    [true, true, false, false, false, true],
  );
});

Deno.test("random numbers vary, and what subgraphs read counts", () => {
  const varies = varying([
    node("RandomNormal", [], ["noise"]),
    node("Neg", ["noise"], ["n"]),
    ifNode("yes", "chosen"),
  ]);
  assert.deepEqual(["noise", "n", "chosen"].map(varies), [true, true, true]);
});

Deno.test("a float initializer may be a parameter, so what comes of it varies", () => {
  const nodes = [
    node("Transpose", ["w"], ["wt"]),
    node("Exp", ["half"], ["e"]),
    node("Shape", ["x"], ["s"]),
    node("Cast", ["s"], ["f"], { attributes: { to: { type: "int", value: 1 } } }),
    node("Mul", ["f", "half"], ["scaled"]),
    node("Cast", ["scaled"], ["size"], { attributes: { to: { type: "int", value: 7 } } }),
    node("Cast", ["wt"], ["cut"], { attributes: { to: { type: "int", value: 7 } } }),
  ];
  const varies = varying(nodes);
  assert.deepEqual(
    ["w", "wt", "half", "e", "f", "scaled", "size", "cut"].map(varies),
    [true, true, true, true, false, true, false, true],
  );
  const known = varying(nodes, new Set(["half"]));
  assert.deepEqual(["w", "wt", "e", "size"].map(known), [false, false, true, true]);
});
