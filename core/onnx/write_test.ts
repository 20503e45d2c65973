import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { Runtime } from "../runtime/mod.ts";
import type { Graph } from "./graph.ts";
import { readModel } from "./read.ts";
import { graphOf, node, variedGraph } from "./sample_graphs.ts";
import { numbers, tensor } from "./tensor.ts";
import { writeModel } from "./write.ts";

function reread(graph: Graph): Graph {
  return readModel(writeModel(graph), { file: "m.onnx" });
}

Deno.test("a graph is the same after writing and reading", () => {
  const graph = variedGraph();
  assert.deepEqual(reread(graph), graph);
  assert.deepEqual(writeModel(graph), writeModel(reread(graph)));
});

Deno.test("symbolic, fixed and absent shapes are kept", () => {
  const graph = graphOf([node("Identity", ["x"], ["y"]), node("Shape", ["x"], ["s"])], {
    outputs: [
      { name: "y", dtype: "float32", shape: ["batch", 4] },
      { name: "s", dtype: "int64" },
    ],
  });
  const again = reread(graph);
  assert.deepEqual(again.outputs, graph.outputs);
  assert.deepEqual(again.inputs, graph.inputs);
});

Deno.test("ONNX Runtime takes what is written, subgraphs and both domains included", async () => {
  using runtime = Runtime.open();
  const x = tensor("float32", [1, 4], [1, 2, 3, 4]);
  const values = await runtime.evaluate(writeModel(variedGraph()), new Map([["x", x]]));
  // min(x + w, 2) = 2 everywhere; 2 · 4 · (2 · 0.5) = 8.
  assert.deepEqual(values.get("y"), tensor("float32", [1, 16], new Array(16).fill(8)));
  assert.deepEqual(values.get("sevens"), tensor("int32", [2], [7, 7]));
});

Deno.test("large initializers go into a data file of their own", () => {
  const graph = graphOf([node("Add", ["x", "w"], ["a"]), node("Mul", ["a", "s"], ["y"])], {
    outputs: [{ name: "y", dtype: "float32" }],
    initializers: new Map([
      ["w", tensor("float32", [4], [1, 2, 3, 4])],
      ["s", tensor("float32", [], [2])],
    ]),
  });
  const externalData = { threshold: 16, location: "weights.bin" };
  const { model, data } = writeModel(graph, { externalData });
  assert.equal(data.byteLength, 16);
  const again = readModel(model, {
    file: "m.onnx",
    external: (location) => {
      assert.equal(location, "weights.bin");
      return data;
    },
  });
  assert.deepEqual(again, graph);
  assert.throws(
    () => readModel(model, { file: "m.onnx" }),
    /m\.onnx: initializer 'w': its data is in 'weights\.bin'/,
  );
  assert.throws(
    () => writeModel(graph, { externalData: { ...externalData, location: "../w" } }),
    RavnError,
  );
});

Deno.test("the IR version follows the opset", () => {
  const versionOf = (opset: number) => {
    const nodes = [node("Relu", ["x"], ["y"])];
    const bytes = writeModel(graphOf(nodes, { opsets: new Map([["", opset]]) }));
    assert.equal(bytes[0], 8, "the first field is ir_version");
    return bytes[1];
  };
  assert.deepEqual([7, 17, 18, 19, 21, 23, 24, 26].map(versionOf), [8, 8, 8, 9, 10, 11, 12, 13]);
});

Deno.test("inputs omitted at the end are not written, as some kernels crash on them", async () => {
  const w = tensor("float32", [4], [1, 1, 1, 1]);
  const graph = graphOf([node("LayerNormalization", ["x", "w", ""], ["y", "", ""])], {
    outputs: [{ name: "y", dtype: "float32" }],
    initializers: new Map([["w", w]]),
  });
  const { inputs, outputs } = reread(graph).nodes[0]!;
  assert.deepEqual([inputs, outputs], [["x", "w"], ["y"]]);
  using runtime = Runtime.open();
  const x = new Map([["x", tensor("float32", [1, 4], [-1, -1, 1, 1])]]);
  const y = await runtime.evaluate(writeModel(graph), x);
  assert.deepEqual([...numbers(y.get("y")!)].map(Math.round), [-1, -1, 1, 1]);
});
