import { type Case, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

const ints = (...values: number[]) => ({ dims: [values.length], dtype: "int64" as const, values });

/** Exact operators: a difference in double precision shows any fault. */
const double = { dtype: "float64" } as const;

testCases("Flatten, Reshape, Squeeze, Unsqueeze", [
  ...[0, 1, 2, -1].map((axis): Case => ({
    ...double,
    op: "Flatten",
    attributes: { axis },
    operands: [["batch", 2, 3]],
  })),
  ...[[-1, 6], [0, 3, 2], [-1, 3], [-1], [2, -1]].map((shape): Case => ({
    ...double,
    op: "Reshape",
    operands: [["batch", 2, 3], ints(...shape)],
  })),
  { ...double, op: "Squeeze", operands: [["batch", 1, 3, 1], ints(1, -1)] },
  { ...double, op: "Squeeze", operands: [["batch", 1, 3, 1]] },
  { ...double, op: "Squeeze", opset: 11, attributes: { axes: [1] }, operands: [["batch", 1, 3]] },
  { ...double, op: "Unsqueeze", operands: [["batch", 3], ints(0, 2)] },
  { ...double, op: "Unsqueeze", opset: 11, attributes: { axes: [1] }, operands: [["batch", 3]] },
]);

testCases("Transpose", [
  { ...double, op: "Transpose", operands: [["batch", 3, 4]] },
  { ...double, op: "Transpose", operands: [["batch", 3, 4]], attributes: { perm: [1, 2, 0] } },
  { ...double, op: "Transpose", operands: [["batch", 3, 4]], attributes: { perm: [0, 2, 1] } },
]);

testCases("Concat and Split, along fixed axes and along the batch", [
  { op: "Concat", attributes: { axis: 1 }, operands: [["batch", 2], ["batch", 3], ["batch", 1]] },
  { op: "Concat", attributes: { axis: -1 }, operands: [["batch", 2, 2], ["batch", 2, 3]] },
  { op: "Concat", attributes: { axis: 0 }, operands: [["batch", 2], ["batch", 2]] },
  { op: "Concat", attributes: { axis: 1 }, operands: [["batch", 2]] },
  { op: "Concat", opset: 11, attributes: { axis: 1 }, operands: [["batch", 2], ["batch", 3]] },
  { op: "Split", outputs: 2, attributes: { axis: 1 }, operands: [["batch", 4]] },
  { op: "Split", outputs: 2, attributes: { axis: 1 }, operands: [["batch", 4], ints(1, 3)] },
  { op: "Split", outputs: 3, used: 1, attributes: { axis: 1 }, operands: [["batch", 6]] },
  {
    op: "Split",
    opset: 18,
    outputs: 2,
    used: 1,
    attributes: { axis: -1, num_outputs: 2 },
    operands: [["batch", 3, 5]],
  },
  {
    op: "Split",
    opset: 11,
    outputs: 2,
    attributes: { axis: 1, split: [1, 3] },
    operands: [["batch", 4]],
  },
]);

/** x[start:end:step] over axes. */
function slice(dims: Dims, starts: number[], ends: number[], axes?: number[], steps?: number[]) {
  const operands = [dims, ints(...starts), ints(...ends)];
  const optional = [...(axes ? [ints(...axes)] : []), ...(steps ? [ints(...steps)] : [])];
  return { ...double, op: "Slice", operands: [...operands, ...optional] };
}

const END = 2 ** 40;

testCases("Slice: steps, negative ones too, ends beyond, and the batch", [
  slice(["batch", 5], [1], [4], [1]),
  slice(["batch", 5], [-3], [END], [-1]),
  slice(["batch", 5], [0, 1], [END, 3]),
  slice(["batch", 7], [0], [END], [1], [2]),
  slice(["batch", 7], [1], [7], [1], [3]),
  slice(["batch", 7], [2], [3], [1], [5]),
  slice(["batch", 7], [-1], [-END], [1], [-1]),
  slice(["batch", 7], [5], [0], [1], [-2]),
  slice(["batch", 7], [END], [1], [1], [-3]),
  slice(["batch", 4, 6], [3, 1], [-END, 6], [1, 2], [-2, 2]),
  slice(["batch", 3], [-1], [-END], [0], [-1]),
  {
    ...double,
    op: "Slice",
    opset: 9,
    attributes: { starts: [1], ends: [3], axes: [1] },
    operands: [["batch", 5]],
  },
]);

testCases("Pad with a constant", [
  { op: "Pad", operands: [["batch", 3], ints(0, 1, 0, 2)] },
  { op: "Pad", operands: [["batch", 3], ints(0, 1, 0, 2), []] },
  { op: "Pad", operands: [["batch", 4], ints(0, -1, 0, 2)] },
  { op: "Pad", operands: [[3, 4], ints(1, 0, 0, -2), []] },
  { op: "Pad", opset: 18, operands: [["batch", 2, 3], ints(1, 2), null, ints(-1)] },
  { op: "Pad", opset: 10, attributes: { pads: [0, 1, 0, 2] }, operands: [["batch", 3]] },
]);

testCases("Trilu, SpaceToDepth, DepthToSpace", [
  { op: "Trilu", operands: [["batch", 3, 4]] },
  { op: "Trilu", attributes: { upper: 0 }, operands: [["batch", 3, 3]] },
  {
    op: "Trilu",
    operands: [["batch", 3, 4], { dims: [], dtype: "int64", values: [1] }],
  },
  { op: "SpaceToDepth", attributes: { blocksize: 2 }, operands: [["batch", 2, 4, 6]] },
  { op: "DepthToSpace", attributes: { blocksize: 2 }, operands: [["batch", 8, 2, 3]] },
]);

const indices = (dims: Dims, values: number[]) => ({ dims, dtype: "int64" as const, values });

testCases("Gather and GatherElements", [
  { op: "Gather", operands: [[5, 3], indices(["batch", 2], [0, 4, -1, 0])] },
  { op: "Gather", operands: [[5], indices(["batch"], [1, 1])] },
  { op: "Gather", operands: [[5, 2, 3], indices(["batch"], [1, 3])] },
  { op: "Gather", operands: [[600, 2], indices(["batch", 2], [0, 599, 7, 0])] },
  { op: "Gather", operands: [[600], indices(["batch", 2], [0, 599, 7, 0])] },
  {
    op: "Gather",
    attributes: { axis: 1 },
    operands: [["batch", 4, 3], indices([3], [2, 0, 2])],
  },
  {
    op: "Gather",
    attributes: { axis: -1 },
    operands: [["batch", 2, 4], indices([2, 2], [2, 0, 2, 3])],
  },
  { op: "Gather", attributes: { axis: 1 }, operands: [["batch", 4, 3], indices([], [2])] },
  { op: "Gather", attributes: { axis: 1 }, operands: [["batch", 4, 3], indices([1], [-1])] },
  {
    op: "GatherElements",
    attributes: { axis: 1 },
    operands: [["batch", 4], indices(["batch", 2], [2, 2, 0, 3])],
  },
]);
