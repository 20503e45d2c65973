import { type Case, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

/** Linear operators: a difference in double precision shows any fault. */
const double = { dtype: "float64" } as const;
const ints = (...values: number[]) => ({ dims: [values.length], dtype: "int64" as const, values });

testCases("Tile", [
  { ...double, op: "Tile", operands: [["batch", 3], ints(1, 2)] },
  { ...double, op: "Tile", operands: [["batch", 3], ints(3, 1)] },
  { ...double, op: "Tile", operands: [["batch", 2, 1, 3], ints(2, 1, 4, 3)] },
  { ...double, op: "Tile", operands: [[1, 3], ints(2, 2)] },
  { ...double, op: "Tile", operands: [["batch", 3], ints(1, 1)] },
]);

function cumSum(dims: Dims, axis: number, attributes: Case["attributes"]): Case {
  const operands = [dims, { dims: [], dtype: "int64" as const, values: [axis] }];
  return { ...double, op: "CumSum", operands, attributes: attributes ?? {} };
}

testCases(
  "CumSum",
  [0, 1].flatMap((exclusive) =>
    [0, 1].flatMap((reverse) => [
      cumSum(["batch", 4], 1, { exclusive, reverse }),
      cumSum(["batch", 3, 2], -2, { exclusive, reverse }),
      cumSum(["batch", 3], 0, { exclusive, reverse }),
    ])
  ),
);

function cumProd(x: Case["operands"][number], axis: number, attributes: Case["attributes"]): Case {
  const operands = [x, { dims: [], dtype: "int64" as const, values: [axis] }];
  return { ...double, op: "CumProd", opset: 26, operands, attributes: attributes ?? {} };
}

testCases("CumProd, of zeros too", [
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].flatMap((reverse) => [
      cumProd(["batch", 4], 1, { exclusive, reverse }),
      cumProd(["batch", 3, 2], -2, { exclusive, reverse }),
    ])
  ),
  cumProd({ dims: ["batch", 4], values: [2, 0, 3, 4, 0, 1, 0, 5] }, -1, {}),
]);

testCases("ReverseSequence", [
  {
    op: "ReverseSequence",
    attributes: { batch_axis: 0, time_axis: 1 },
    operands: [["batch", 4, 2], { dims: ["batch"], dtype: "int64", values: [3, 1] }],
  },
  { op: "ReverseSequence", operands: [[4, 2, 3], ints(2, 4)] },
]);

testCases("CenterCropPad: odd differences, both ways, some axes", [
  { op: "CenterCropPad", opset: 18, operands: [[5, 4], ints(2, 7)] },
  {
    op: "CenterCropPad",
    opset: 18,
    attributes: { axes: [1, 2] },
    operands: [["batch", 3, 6], ints(6, 3)],
  },
  {
    op: "CenterCropPad",
    opset: 18,
    attributes: { axes: [-1] },
    operands: [["batch", 3, 4], ints(4)],
  },
]);

function pad(mode: string, dims: Dims, pads: number[], opset = 19): Case {
  return { op: "Pad", opset, attributes: { mode }, operands: [dims, ints(...pads)], step: 0.5 };
}

testCases("Pad: edge, reflect, wrap", [
  ...["edge", "reflect", "wrap"].flatMap((mode) => [
    pad(mode, ["batch", 4], [0, 2, 0, 1]),
    pad(mode, ["batch", 2, 4, 5], [0, 0, 1, 2, 0, 0, 3, 0]),
    pad(mode, ["batch", 3, 2, 4], [0, 2, 0, 1, 0, 1, 0, 2]),
    pad(mode, ["batch", 3, 2, 2, 2], [0, 0, 1, 0, 1, 0, 0, 0, 1, 1]),
    pad(mode, [4], [2, 3]),
  ]),
  pad("edge", ["batch", 3], [0, 7, 0, 9]),
  pad("reflect", ["batch", 5], [0, 2, 0, 2], 11),
  { op: "Pad", opset: 9, attributes: { mode: "edge", pads: [0, 1, 0, 2] }, operands: [[2, 3]] },
  {
    op: "Pad",
    opset: 18,
    attributes: { mode: "reflect" },
    operands: [["batch", 3, 4], ints(1, 2), null, ints(-1)],
  },
]);

testCases("DepthToSpace in both orders, SpaceToDepth", [
  ...["DCR", "CRD"].flatMap((mode): Case[] => [
    {
      ...double,
      op: "DepthToSpace",
      attributes: { blocksize: 2, mode },
      operands: [["batch", 8, 2, 3]],
    },
    {
      ...double,
      op: "DepthToSpace",
      attributes: { blocksize: 3, mode },
      operands: [["batch", 9, 1, 2]],
    },
  ]),
  { ...double, op: "SpaceToDepth", attributes: { blocksize: 3 }, operands: [["batch", 2, 6, 3]] },
]);

function col2Im(x: Dims, image: number[], block: number[], attributes: Case["attributes"]): Case {
  const operands = [x, ints(...image), ints(...block)];
  return { op: "Col2Im", opset: 18, operands, attributes: attributes ?? {}, step: 0.5 };
}

testCases("Col2Im: overlapping, strided, dilated and padded blocks", [
  col2Im(["batch", 8, 12], [4, 5], [2, 2], {}),
  col2Im(["batch", 12, 4], [5, 5], [3, 2], { strides: [2, 3], pads: [0, 0, 0, 1] }),
  col2Im(["batch", 4, 4], [4, 4], [2, 2], { dilations: [2, 2] }),
  col2Im(["batch", 6, 8], [6], [3], { pads: [2, 2] }),
]);

testCases("AffineGrid: maps and volumes", [
  ...[0, 1].flatMap((align_corners): Case[] => [
    {
      op: "AffineGrid",
      opset: 20,
      attributes: { align_corners },
      operands: [{ dims: [2, 2, 3] }, ints(2, 1, 3, 4)],
      step: 0.5,
    },
    {
      op: "AffineGrid",
      opset: 20,
      attributes: { align_corners },
      operands: [{ dims: [1, 3, 4] }, ints(1, 2, 2, 1, 3)],
      step: 0.5,
    },
  ]),
]);

testCases("Split into uneven parts and Slice backwards", [
  {
    ...double,
    op: "Split",
    opset: 18,
    outputs: 3,
    attributes: { axis: 1, num_outputs: 3 },
    operands: [["batch", 7]],
  },
  {
    ...double,
    op: "Split",
    outputs: 3,
    attributes: { axis: -1 },
    operands: [["batch", 2, 7], ints(1, 4, 2)],
  },
  { ...double, op: "Slice", operands: [["batch", 8], ints(-2), ints(0), ints(-1), ints(-3)] },
]);
