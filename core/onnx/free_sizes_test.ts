import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { hasFreeSizes, withSizes } from "./free_sizes.ts";
import { graphOf, node } from "./sample_graphs.ts";

const graph = graphOf([node("Add", ["ids", "mask"], ["y"])], {
  inputs: [
    { name: "ids", dtype: "float32", shape: ["batch", "sequence"] },
    { name: "mask", dtype: "float32", shape: ["batch", "sequence"] },
  ],
  outputs: [{ name: "y", dtype: "float32", shape: ["batch", "sequence", "other"] }],
});

Deno.test("the data decide the sizes, then those that are given", () => {
  const sizes = new Map([["sequence", 5]]);
  const shapes = new Map([["ids", [1, 7]]]);
  const shapeOf = (options: Parameters<typeof withSizes>[1]) =>
    withSizes(graph, options, "model.onnx").inputs[1]!.shape;
  assert.deepEqual(shapeOf({}), ["batch", "sequence"]);
  assert.deepEqual(shapeOf({ sizes }), ["batch", 5]);
  assert.deepEqual(shapeOf({ sizes, shapes }), ["batch", 7]);
  assert.deepEqual(shapeOf({ otherwise: 8 }), ["batch", 8]);
  const outputs = withSizes(graph, { sizes }, "model.onnx").outputs;
  assert.deepEqual(outputs[0]!.shape, ["batch", 5, "other"]);
  assert.ok(hasFreeSizes(graph));
  assert.ok(!hasFreeSizes(withSizes(graph, { sizes }, "model.onnx")));
});

Deno.test("data that differ, and a batch that comes second, are refused", () => {
  const shapes = new Map([["ids", [1, 7]], ["mask", [1, 6]]]);
  assert.throws(() => withSizes(graph, { shapes }, "m.onnx"), RavnError);
  assert.throws(
    () => withSizes(graph, { shapes }, "m.onnx"),
    /'sequence' is 7 in the data of input 'ids' and 6 in that of 'mask'/,
  );
  const turned = graphOf([node("Relu", ["x"], ["y"])], {
    inputs: [{ name: "x", dtype: "float32", shape: ["sequence", "batch", 4] }],
  });
  assert.throws(() => withSizes(turned, {}, "m.onnx"), /has its batch in dimension 1/);
});
