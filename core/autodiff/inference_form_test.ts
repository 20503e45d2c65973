import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { type Graph, GraphBuilder, tensor } from "../onnx/mod.ts";
import { inferenceForm } from "./inference_form.ts";

const vector = (...values: number[]) => tensor("float32", [values.length], values);

/** Dropout, BatchNormalization and MaxPool as training writes them. */
function trainingGraph(o: { readMask?: boolean; lastDropout?: boolean } = {}): Graph {
  const b = new GraphBuilder("model");
  b.input("x", "float32", ["batch", 2, 4, 4]);
  const ratio = b.constant(tensor("float32", [], [0.5]), "ratio");
  const mode = b.constant(tensor("bool", [], [1]), "mode");
  b.nodes("Dropout", ["x", ratio, mode], {}, { name: "drop", outputs: ["dropped", "mask"] });
  const names = ["scale", "bias", "mean", "variance"].map((name) =>
    b.initializer(name, vector(1, 2))
  );
  b.nodes("BatchNormalization", ["dropped", ...names], {
    epsilon: 1e-3,
    momentum: Math.fround(0.9),
    training_mode: 1,
  }, { name: "bn", outputs: ["normal", "m", "v"] });
  b.nodes("MaxPool", ["normal"], { kernel_shape: [2, 2] }, {
    name: "pool",
    outputs: ["pooled", "indices"],
  });
  if (o.lastDropout === true) b.nodes("Dropout", ["pooled"], {}, { name: "end", outputs: ["y"] });
  b.output(o.lastDropout === true ? "y" : "pooled", "float32");
  if (o.readMask === true) b.output("mask", "bool");
  return b.build();
}

Deno.test("what only training has falls away", () => {
  const { nodes, initializers, outputs } = inferenceForm(trainingGraph());
  assert.deepEqual(nodes.map(({ name, op, inputs, outputs }) => ({ name, op, inputs, outputs })), [
    {
      name: "bn",
      op: "BatchNormalization",
      inputs: ["x", "scale", "bias", "mean", "variance"],
      outputs: ["normal"],
    },
    { name: "pool", op: "MaxPool", inputs: ["normal"], outputs: ["pooled"] },
  ]);
  assert.deepEqual(Object.keys(nodes[0]!.attributes), ["epsilon"]);
  assert.deepEqual([...initializers.keys()], ["scale", "bias", "mean", "variance"]);
  assert.deepEqual(outputs.map(({ name }) => name), ["pooled"]);
});

Deno.test("a Dropout that makes an output of the graph becomes the identity", () => {
  const last = inferenceForm(trainingGraph({ lastDropout: true })).nodes.at(-1)!;
  assert.deepEqual([last.op, last.inputs, last.outputs], ["Identity", ["pooled"], ["y"]]);
});

Deno.test("a graph without training nodes stays as it is", () => {
  const once = inferenceForm(trainingGraph());
  assert.deepEqual(inferenceForm(once), once);
});

Deno.test("an output that only training has may not be read", () => {
  assert.throws(
    () => inferenceForm(trainingGraph({ readMask: true })),
    (e: unknown) => e instanceof RavnError && /"drop" \(Dropout\).*"mask"/.test(e.message),
  );
});
