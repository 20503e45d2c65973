import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { Runtime } from "../runtime/mod.ts";
import { withFreeBatch } from "./free_batch.ts";
import type { Attribute, Dimension, Graph, Node } from "./graph.ts";
import { graphOf, node } from "./sample_graphs.ts";
import { int64s, numbers, type Tensor, tensor } from "./tensor.ts";
import { traceFacts } from "./trace.ts";

const B = { perSample: 1 };

/** A graph from `x` of a fixed shape to `y`. */
function fixedGraph(
  x: readonly number[],
  y: readonly Dimension[],
  nodes: readonly Node[],
  constants: Record<string, Tensor>,
): Graph {
  return graphOf(nodes, {
    inputs: [{ name: "x", dtype: "float32", shape: x }],
    outputs: [{ name: "y", dtype: "float32", shape: y }],
    initializers: new Map(Object.entries(constants)),
  });
}

const swap: Record<string, Attribute> = { perm: { type: "ints", value: [1, 0] } };

async function freed(graph: Graph): Promise<Graph> {
  using runtime = Runtime.open();
  const free = await withFreeBatch(graph, runtime.evaluate, { file: "m.onnx" });
  const facts = await traceFacts(free, runtime.evaluate, { batch: 2 });
  assert.deepEqual(facts.get("y")!.dims[0], B);
  return free;
}

async function refused(graph: Graph, pattern: RegExp): Promise<void> {
  await assert.rejects(freed(graph), (e) => {
    assert.ok(e instanceof RavnError, `${e}`);
    assert.match(e.message, pattern);
    return true;
  });
}

Deno.test("a graph with a free batch is returned as it is", async () => {
  const graph = graphOf([node("Relu", ["x"], ["y"])]);
  assert.equal(await withFreeBatch(graph, () => assert.fail()), graph);
});

Deno.test("the batch size that an exporter wrote into Reshape is left open", async () => {
  const free = await freed(fixedGraph([6, 2, 3], [6, 2], [
    node("Reshape", ["x", "flat"], ["a"]),
    node("Reshape", ["w", "same"], ["b"]),
    node("MatMul", ["a", "b"], ["y"]),
  ], {
    flat: int64s([6, -1]),
    // Starts with the batch size too, but by chance: this is a weight.
    same: int64s([6, 2]),
    w: tensor("float32", [2, 6], new Float32Array(12).fill(1)),
  }));
  assert.deepEqual(free.inputs[0]!.shape, ["batch", 2, 3]);
  assert.deepEqual(free.outputs[0]!.shape, ["batch", 2]);
  const shapes = free.nodes.slice(0, 2).map((
    { inputs },
  ) => [...numbers(free.initializers.get(inputs[1]!)!)]);
  assert.deepEqual(shapes, [[-1, 6], [6, 2]]);
});

Deno.test("rows of several samples and computed shapes are left open, too", async () => {
  // [2, 3, 4] -> [6, 4] -> [2, 12], the second shape as a Concat of constants.
  const free = await freed(fixedGraph([2, 3, 4], [2, 12], [
    node("Reshape", ["x", "rows"], ["r"]),
    node("Concat", ["two", "twelve"], ["flat"], {
      attributes: { axis: { type: "int", value: 0 } },
    }),
    node("Reshape", ["r", "flat"], ["y"]),
  ], { rows: int64s([6, 4]), two: int64s([2]), twelve: int64s([12]) }));
  const shapes = free.nodes.filter(({ op }) => op === "Reshape").map((
    { inputs },
  ) => [...numbers(free.initializers.get(inputs[1]!)!)]);
  assert.deepEqual(shapes, [[-1, 4], [-1, 12]]);
});

Deno.test("Expand takes the batch size from its data or from the input", async () => {
  const free = await freed(fixedGraph([4, 1], [4, 5], [
    node("Expand", ["x", "wide"], ["a"]),
    node("Expand", ["w", "rows"], ["b"]),
    node("Expand", ["b", "rows"], ["c"]),
    node("Concat", ["a", "c"], ["y"], { attributes: { axis: { type: "int", value: 1 } } }),
  ], {
    wide: int64s([4, 3]),
    rows: int64s([4, 2]),
    w: tensor("float32", [1, 2], [7, 8]),
  }));
  assert.equal(free.nodes.filter(({ op }) => op === "Shape").length, 1);
  using runtime = Runtime.open();
  const facts = await traceFacts(free, runtime.evaluate, { batch: 3 });
  assert.deepEqual(["a", "b", "c"].map((name) => facts.get(name)!.dims), [[B, 3], [B, 2], [B, 2]]);
});

Deno.test("a graph that cannot do with another batch size is refused", async () => {
  await refused(
    fixedGraph([4, 2], [4, 2], [
      node("Transpose", ["x"], ["t"], { attributes: swap }),
      node("Reshape", ["t", "flat"], ["y"]),
    ], { flat: int64s([4, 2]) }),
    /^m\.onnx: the batch size is fixed at 4 .*with 8 samples: .*; export the model with a free/,
  );
  // Samples are columns here, so that with more of them the rows are made of others.
  await refused(
    fixedGraph([4, 4], [4, 4], [
      node("Transpose", ["x"], ["t"], { attributes: swap }),
      node("Reshape", ["t", "flat"], ["y"]),
    ], { flat: int64s([4, 4]) }),
    /the output 'y' mixes the samples when there are more/,
  );
  await refused(
    fixedGraph([4, 4], [4, 4], [node("MatMul", ["w", "x"], ["y"])], {
      w: tensor("float32", [4, 4], new Float32Array(16)),
    }),
    /fixed at 4 .*MatMul/,
  );
});
