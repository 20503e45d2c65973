import assert from "node:assert/strict";
import { GraphBuilder, int64s, tensor, traceFacts } from "../../onnx/mod.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { type Case, runtime, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

const double = { dtype: "float64" } as const;
const indices = (dims: Dims, values: number[]) => ({ dims, dtype: "int64" as const, values });

testCases("GatherElements: an element taken twice, negative indices, old operator sets", [
  ...[11, 13, 17].flatMap((opset): Case[] => [
    {
      op: "GatherElements",
      opset,
      attributes: { axis: 1 },
      operands: [["batch", 4], indices(["batch", 5], [2, 2, -2, 3, 0, 1, 1, 1, -4, 1])],
    },
    {
      op: "GatherElements",
      opset,
      attributes: { axis: -2 },
      operands: [["batch", 3, 2], indices(["batch", 2, 2], [0, 2, 0, 1, 2, 2, 2, -1])],
    },
  ]),
]);

testCases("Gather along inner axes in old operator sets", [
  {
    op: "Gather",
    opset: 13,
    attributes: { axis: 1 },
    operands: [["batch", 4, 3], indices([3], [2, 0, 2])],
  },
  {
    op: "Gather",
    opset: 11,
    attributes: { axis: -1 },
    operands: [["batch", 2, 4], indices([2, 2], [2, 0, -2, 3])],
  },
]);

testCases("GatherND: elements, rows, leading dimensions in common", [
  { op: "GatherND", opset: 11, operands: [[3, 4], indices(["batch", 1], [2, 2])] },
  { op: "GatherND", opset: 12, operands: [[3, 4], indices(["batch", 2], [0, 1, 2, -1])] },
  { ...double, op: "GatherND", operands: [[3, 4], indices(["batch", 2], [0, 1, 2, -1])] },
  { ...double, op: "GatherND", operands: [[3, 4], indices(["batch", 1], [2, 2])] },
  {
    ...double,
    op: "GatherND",
    operands: [[2, 3, 2], indices(["batch", 2, 2], [0, 1, 1, 2, 0, 1, 0, -3])],
  },
  { ...double, op: "GatherND", operands: [["batch", 3], indices([2, 1], [0, -1])], title: "batch" },
  {
    ...double,
    op: "GatherND",
    attributes: { batch_dims: 1 },
    operands: [["batch", 3, 2], indices(["batch", 1], [2, 0])],
  },
  {
    ...double,
    op: "GatherND",
    attributes: { batch_dims: 1 },
    operands: [["batch", 3, 4], indices(["batch", 2, 2], [2, 1, 2, 1, 0, 3, 1, -1])],
  },
  {
    ...double,
    op: "GatherND",
    attributes: { batch_dims: 2 },
    operands: [[2, 3, 4, 2], indices([2, 3, 1], [0, 1, 2, 3, -1, 0])],
  },
]);

/** x, indices and updates, of which some fall on one place. */
function scatterElements(reduction: string, opset: number): Case {
  return {
    ...double,
    op: "ScatterElements",
    opset,
    attributes: { axis: 1, reduction },
    operands: [["batch", 4], indices(["batch", 3], [2, 2, 0, 3, -1, 3]), ["batch", 3]],
  };
}

testCases("ScatterElements and Scatter, with and without reduction", [
  ...["add", "mul"].map((reduction) => scatterElements(reduction, 16)),
  ...["add", "mul", "max", "min"].map((reduction) => scatterElements(reduction, 18)),
  {
    ...double,
    op: "ScatterElements",
    opset: 16,
    attributes: { axis: 1, reduction: "mul" },
    operands: [
      ["batch", 4],
      indices(["batch", 4], [2, 2, 0, 1, 3, 3, 3, 0]),
      { dims: ["batch", 4], values: [0, 2, 3, 0, 0, 0, 5, 1] },
    ],
  },
  ...[11, 16, 18].map((opset): Case => ({
    ...double,
    op: "ScatterElements",
    opset,
    attributes: { axis: -1 },
    operands: [["batch", 4], indices(["batch", 3], [2, 1, 0, 3, -4, 2]), ["batch", 3]],
  })),
  {
    ...double,
    op: "Scatter",
    opset: 10,
    attributes: { axis: 1 },
    operands: [["batch", 4], indices(["batch", 2], [2, 1, 0, 3]), {
      dims: ["batch", 2],
      fixed: true,
    }],
  },
]);

/** Updates of rows; two of them fall on one place where there is a reduction. */
function scatterNd(reduction: string, opset: number, places: number[]): Case {
  return {
    ...double,
    op: "ScatterND",
    opset,
    attributes: reduction === "none" ? {} : { reduction },
    operands: [[4, 3], indices([3, 1], places), [3, 3]],
  };
}

testCases("ScatterND, with and without reduction", [
  ...[11, 13, 16, 18].map((opset) => scatterNd("none", opset, [2, 0, -1])),
  ...["add", "mul"].map((reduction) => scatterNd(reduction, 16, [2, 0, 3])),
  ...["add", "mul", "max", "min"].map((reduction) => scatterNd(reduction, 18, [2, 0, -1])),
  {
    ...double,
    op: "ScatterND",
    operands: [["batch", 3], indices([2, 2], [0, 1, 1, 2]), [2]],
  },
  {
    ...double,
    op: "ScatterND",
    opset: 18,
    attributes: { reduction: "mul" },
    operands: [["batch", 3], indices([2, 2], [0, 1, 1, 2]), [2]],
  },
]);

testCases("OneHot's values", [
  {
    op: "OneHot",
    operands: [indices(["batch", 2], [0, 3, -1, 1]), depth(4), [2]],
    step: 0.5,
  },
  {
    op: "OneHot",
    attributes: { axis: 0 },
    operands: [indices(["batch"], [0, 9]), depth(4), [2]],
    step: 0.5,
  },
]);

function depth(size: number) {
  return { dims: [], dtype: "int64" as const, values: [size] };
}

const spaced = (dims: Dims) => ({ dims, spaced: 0.1 });
const count = (k: number) => indices([1], [k]);

testCases("TopK: largest and smallest, along any axis", [
  ...[10, 11, 17].map((opset): Case => ({
    ...double,
    op: "TopK",
    opset,
    outputs: 2,
    used: 1,
    operands: [spaced(["batch", 5]), count(2)],
  })),
  {
    ...double,
    op: "TopK",
    outputs: 2,
    used: 1,
    attributes: { axis: 1, largest: 0, sorted: 0 },
    operands: [spaced(["batch", 5, 2]), count(3)],
  },
  {
    ...double,
    op: "TopK",
    opset: 9,
    outputs: 2,
    used: 1,
    attributes: { axis: 1, k: 2 },
    operands: [spaced(["batch", 4])],
  },
]);

const condition = (...values: number[]) => ({
  dims: [values.length],
  dtype: "bool" as const,
  values,
});

testCases("Compress: along an axis and over all elements", [
  {
    ...double,
    op: "Compress",
    attributes: { axis: 1 },
    operands: [["batch", 4, 2], condition(1, 0, 1)],
  },
  {
    ...double,
    op: "Compress",
    attributes: { axis: -1 },
    operands: [["batch", 4], condition(0, 1, 1, 0)],
  },
  { ...double, op: "Compress", operands: [[2, 3], condition(0, 1, 1, 0, 1)] },
]);

Deno.test("no gradient adds or multiplies by ScatterND, whose threads race", async () => {
  for (const reduction of ["mul", "max"]) {
    const b = new GraphBuilder("case", 18);
    const x = b.initializer("x", tensor("float32", [600, 2], new Array<number>(1200).fill(1)));
    const places = b.initializer("places", { ...int64s([7, 7, 599]), dims: [3, 1] });
    const taken = b.node("GatherND", [x, places]);
    const y = b.node("ScatterND", [x, places, taken], { reduction });
    b.output(y, "float32");
    const graph = b.build();
    const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
    const { graph: { nodes } } = gradientGraph(graph, facts, { outputs: [y], wrt: [x] });
    const racing = nodes.filter(({ op, attributes }) => op === "ScatterND" && attributes.reduction);
    assert.equal(racing.length, 1, "the one of the model itself");
    assert.ok(nodes.some(({ op }) => op === "ScatterElements"));
  }
});
