import assert from "node:assert/strict";
import { Runtime } from "../runtime/mod.ts";
import { checkGraph } from "./check.ts";
import { foldConstants, withoutDeadNodes } from "./fold.ts";
import type { Graph, Node } from "./graph.ts";
import { graphOf, node } from "./sample_graphs.ts";
import { int64s, scalar, type Tensor, tensor } from "./tensor.ts";
import { traceFacts } from "./trace.ts";
import { writeModel } from "./write.ts";

/** Folds the graph and checks that it still computes the same at several batch sizes. */
async function folded(graph: Graph, sample: readonly number[]): Promise<Graph> {
  using runtime = Runtime.open();
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 3 });
  const result = foldConstants(graph, facts);
  checkGraph(result, { file: "folded" });
  for (const batch of [1, 2, 7]) {
    const count = sample.reduce((a, b) => a * b, batch);
    const x = tensor("float32", [batch, ...sample], Array.from({ length: count }, (_, i) => i));
    const feeds = new Map([["x", x]]);
    const before = await runtime.evaluate(writeModel(graph), feeds);
    assert.deepEqual(await runtime.evaluate(writeModel(result), feeds), before, `batch ${batch}`);
  }
  return result;
}

function operators(graph: Graph): string[] {
  return graph.nodes.map(({ op }) => op);
}

const SAMPLE = [2, 3, 4];

/** [batch, 2, 3, 4] in, and the given nodes with their constants. */
function imageGraph(nodes: readonly Node[], constants: Record<string, Tensor> = {}): Graph {
  return graphOf(nodes, {
    inputs: [{ name: "x", dtype: "float32", shape: ["batch", 2, 3, 4] }],
    initializers: new Map(Object.entries(constants)),
  });
}

function shapeOf(graph: Graph, op: string): Tensor | undefined {
  const found = graph.nodes.find((candidate) => candidate.op === op);
  return graph.initializers.get(found!.inputs[1]!);
}

/** What exporters write for `x.view(x.size(0), ...sizes)`. */
function viewWithBatch(sizes: string, attributes: Node["attributes"] = {}): Node[] {
  return [
    node("Shape", ["x"], ["shape"]),
    node("Gather", ["shape", "zero"], ["size"]),
    node("Unsqueeze", ["size", "zero1"], ["size1"]),
    node("Concat", ["size1", sizes], ["target"], {
      attributes: { axis: { type: "int", value: 0 } },
    }),
    node("Reshape", ["x", "target"], ["y"], { attributes }),
  ];
}

const zeros = { zero: scalar("int64", 0), zero1: int64s([0]) };

Deno.test("a view that keeps the batch becomes a Reshape to a constant", async () => {
  const one = await folded(
    imageGraph(viewWithBatch("rest"), { ...zeros, rest: int64s([24]) }),
    SAMPLE,
  );
  assert.deepEqual(operators(one), ["Reshape"]);
  assert.deepEqual(shapeOf(one, "Reshape"), int64s([-1, 24]));
  assert.equal(one.initializers.size, 1);
  const open = imageGraph(viewWithBatch("rest"), { ...zeros, rest: int64s([-1]) });
  assert.deepEqual(shapeOf(await folded(open, SAMPLE), "Reshape"), int64s([-1, 24]));
  const strict = imageGraph(viewWithBatch("rest", { allowzero: { type: "int", value: 1 } }), {
    ...zeros,
    rest: int64s([6, 4]),
  });
  const target = await folded(strict, SAMPLE);
  assert.deepEqual(shapeOf(target, "Reshape"), int64s([-1, 6, 4]));
  assert.deepEqual(target.nodes[0]!.attributes, {});
});

Deno.test("where the batch is in several dimensions, those that stay in place are 0", async () => {
  // The products of all samples with all others, [B, B], get a third dimension.
  const graph = graphOf([
    node("Transpose", ["x"], ["t"], { attributes: { perm: { type: "ints", value: [1, 0] } } }),
    node("MatMul", ["x", "t"], ["pairs"]),
    node("Shape", ["pairs"], ["shape"]),
    node("Concat", ["shape", "one"], ["target"], {
      attributes: { axis: { type: "int", value: 0 } },
    }),
    node("Reshape", ["pairs", "target"], ["y"]),
  ], { initializers: new Map([["one", int64s([1])]]) });
  const result = await folded(graph, [4]);
  assert.deepEqual(operators(result), ["Transpose", "MatMul", "Reshape"]);
  assert.deepEqual(shapeOf(result, "Reshape"), int64s([0, 0, 1]));
});

Deno.test("a shape that no constant can say stays dynamic", async () => {
  const toShape = (parts: string[]) =>
    graphOf([
      node("Transpose", ["x"], ["t"], { attributes: { perm: { type: "ints", value: [1, 0] } } }),
      node("MatMul", ["x", "t"], ["pairs"]),
      node("Shape", ["pairs"], ["shape"]),
      node("Concat", parts, ["target"], { attributes: { axis: { type: "int", value: 0 } } }),
      node("Reshape", ["pairs", "target"], ["y"]),
    ], { initializers: new Map([["one", int64s([1])]]) });
  // [B, B] to [1, B, B]: one size can be taken over, at position 1, and the other one is left.
  const said = await folded(toShape(["one", "shape"]), [4]);
  assert.deepEqual(shapeOf(said, "Reshape"), int64s([1, 0, -1]));
  const unsaid = await folded(toShape(["one", "one", "shape"]), [4]);
  assert.deepEqual(operators(unsaid), ["Transpose", "MatMul", "Shape", "Concat", "Reshape"]);

  const zeros = await folded(
    graphOf([
      node("Shape", ["x"], ["sizes"]),
      node("ConstantOfShape", ["sizes"], ["zeros"]),
      node("Add", ["x", "zeros"], ["y"]),
    ]),
    [4],
  );
  assert.deepEqual(operators(zeros), ["Shape", "ConstantOfShape", "Add"]);
});

Deno.test("Expand takes sizes over by 1, and goes where it does nothing", async () => {
  const constants = { rest: int64s([2, 3, 4]), ...zeros };
  const expand = (data: string) =>
    viewWithBatch("rest").map((n) =>
      n.op === "Reshape" ? node("Expand", [data, "target"], ["e"]) : n
    );
  const sum = node("ReduceSum", ["x", "axes"], ["sum"]);
  const wide = imageGraph([sum, ...expand("sum"), node("Neg", ["e"], ["y"])], {
    ...constants,
    axes: int64s([2]),
  });
  const result = await folded(wide, SAMPLE);
  assert.deepEqual(operators(result), ["ReduceSum", "Expand", "Neg"]);
  assert.deepEqual(shapeOf(result, "Expand"), int64s([1, 1, 3, 1]));
  const same = await folded(imageGraph([...expand("x"), node("Neg", ["e"], ["y"])], constants), [
    2,
    3,
    4,
  ]);
  assert.deepEqual(operators(same), ["Neg"]);
  // One row spread over the batch needs to know the batch.
  const row = imageGraph([...expand("w"), node("Add", ["e", "x"], ["y"])], {
    ...constants,
    w: tensor("float32", [1, 2, 3, 4], new Float32Array(24).fill(1)),
  });
  assert.ok(operators(await folded(row, SAMPLE)).includes("Shape"));
});

Deno.test("constants, dead nodes and unused initializers go, outputs stay", async () => {
  const graph = imageGraph([
    node("Shape", ["x"], ["shape"]),
    node("Slice", ["shape", "one1", "end"], ["rest"]),
    node("ReduceProd", ["rest"], ["count"], {
      attributes: { keepdims: { type: "int", value: 0 } },
    }),
    node("Cast", ["count"], ["divisor"], { attributes: { to: { type: "int", value: 1 } } }),
    node("Relu", ["x"], ["dead"]),
    node("Div", ["x", "divisor"], ["y"]),
  ], { one1: int64s([1]), end: int64s([4]), unused: int64s([5]) });
  const result = await folded(graph, SAMPLE);
  assert.deepEqual(operators(result), ["Div"]);
  assert.deepEqual([...result.initializers], [["divisor", scalar("float32", 24)]]);
  const observed = {
    ...graph,
    outputs: [...graph.outputs, { name: "count", dtype: "int64" as const }],
  };
  assert.ok(operators(await folded(observed, SAMPLE)).includes("ReduceProd"));
});

Deno.test("dead code goes without facts, too", () => {
  const graph = graphOf([
    node("Neg", ["x"], ["a"]),
    node("Abs", ["x"], ["y"]),
    node("Neg", ["a"], ["b"]),
  ]);
  assert.deepEqual(operators(withoutDeadNodes(graph)), ["Abs"]);
});
