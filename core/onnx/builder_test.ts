import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { attributeOf, GraphBuilder } from "./builder.ts";
import { scalar, tensor } from "./tensor.ts";

Deno.test("a graph is built from inputs, initializers and nodes", () => {
  const builder = new GraphBuilder("linear", 13);
  const x = builder.input("x", "float32", ["batch", 2]);
  const w = builder.initializer("weight", tensor("float32", [2, 1], [3, 4]));
  const y = builder.node("MatMul", [x, w], {}, { name: "dense", outputs: ["y"] });
  builder.output(y, "float32", ["batch", 1]);
  assert.deepEqual(builder.build(), {
    name: "linear",
    nodes: [{
      name: "dense",
      op: "MatMul",
      domain: "",
      inputs: ["x", "weight"],
      outputs: ["y"],
      attributes: {},
    }],
    inputs: [{ name: "x", dtype: "float32", shape: ["batch", 2] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["batch", 1] }],
    initializers: new Map([["weight", tensor("float32", [2, 1], [3, 4])]]),
    opsets: new Map([["", 13]]),
  });
});

Deno.test("names that are not given are made up, and never twice the same", () => {
  const builder = new GraphBuilder("names");
  const x = builder.input("x", "float32", [4]);
  builder.input("Relu_1_out", "float32", [4]);
  const values = [
    builder.node("Relu", [x]),
    builder.node("Relu", [x]),
    builder.node("Relu", [x], {}, { name: "Relu_2" }),
    builder.node("Relu", [x]),
    ...builder.nodes("Split", [x], {}, { outputs: 2 }),
    builder.constant(scalar("float32", 1)),
    builder.constant(scalar("float32", 1)),
    builder.constant(scalar("float32", 1), "one"),
  ];
  assert.equal(new Set([...values, "Relu_1_out"]).size, values.length + 1);
  const graph = builder.build();
  assert.equal(new Set(graph.nodes.map(({ name }) => name)).size, graph.nodes.length);
});

Deno.test("an output can be omitted, and other domains get their opset", () => {
  const builder = new GraphBuilder("omitted");
  const x = builder.input("x", "float32", ["batch", 4]);
  const w = builder.initializer("w", tensor("float32", [4], [1, 1, 1, 1]));
  const names = builder.nodes("LayerNormalization", [x, w], {}, { outputs: ["y", "", "r"] });
  assert.deepEqual(names, ["y", "", "r"]);
  builder.node("QuickGelu", ["y"], {}, { domain: "com.microsoft" });
  assert.deepEqual([...builder.build().opsets], [["", 17], ["com.microsoft", 1]]);
});

Deno.test("attributes have a short form", () => {
  assert.deepEqual(attributeOf(2), { type: "int", value: 2 });
  assert.deepEqual(attributeOf(2.5), { type: "float", value: 2.5 });
  assert.deepEqual(attributeOf("same"), { type: "string", value: "same" });
  assert.deepEqual(attributeOf([1, 2]), { type: "ints", value: [1, 2] });
  assert.deepEqual(attributeOf([1, 2.5]), { type: "floats", value: [1, 2.5] });
  assert.deepEqual(attributeOf([]), { type: "ints", value: [] });
  const value = scalar("float32", 1);
  assert.deepEqual(attributeOf(value), { type: "tensor", value });
  assert.deepEqual(attributeOf({ type: "float", value: 2 }), { type: "float", value: 2 });
});

Deno.test("mistakes are reported where they are made", () => {
  const builder = new GraphBuilder("mistakes");
  const x = builder.input("x", "float32", [4]);
  assert.throws(() => builder.node("Relu", ["z"]), /reads 'z', which does not exist/);
  assert.throws(() => builder.node("Relu", [x], {}, { outputs: ["x"] }), /a value 'x' already/);
  assert.throws(() => builder.input("", "float32", []), /needs a name/);
  builder.node("Relu", [x], {}, { name: "n" });
  assert.throws(() => builder.node("Relu", [x], {}, { name: "n" }), /a node 'n' already/);
  assert.throws(() => builder.node("Relu", [x, x]), (e) => {
    assert.ok(e instanceof RavnError);
    assert.match(e.message, /^graph 'mistakes': node 'Relu_\d' \(Relu\): has 2 inputs/);
    return true;
  });
  builder.output("nowhere", "float32");
  assert.throws(() => builder.build(), /nothing computes the output 'nowhere'/);
});
