import { type Case, type Operand, testCases } from "./gradient_check_test.ts";

const double = { dtype: "float64" as const };
const microsoft = { domain: "com.microsoft" };

/** Matrices whose determinants are far from 0. */
const matrices: Operand = { dims: ["batch", 2, 2], values: [3, 1, -1, 2, 0.5, 2, -2, 1] };
const stack: Operand = {
  dims: ["batch", 1, 3, 3],
  values: [2, 1, 0, 0, 3, 1, 1, 0, 2, -2, 0, 1, 0, 1, 1, 1, 0, 3],
};

testCases("Inverse and Det", [
  ...[matrices, stack].flatMap((x): Case[] => [
    { op: "Inverse", ...microsoft, ...double, operands: [x] },
    { op: "Inverse", ...microsoft, operands: [x], step: 0.005 },
    { op: "Det", operands: [x] },
    { op: "Det", opset: 22, operands: [x] },
  ]),
]);

const ints = (dims: number[], values: number[]): Operand => ({ dims, dtype: "int64", values });

testCases("operators that ONNX Runtime has in its own domain, too", [
  {
    op: "ExpandDims",
    ...microsoft,
    operands: [["batch", 3], { dims: [], dtype: "int32", values: [1] }],
  },
  {
    op: "TransposeMatMul",
    ...microsoft,
    attributes: { transB: 1 },
    operands: [["batch", 2, 3], ["batch", 4, 3]],
  },
  {
    op: "GatherND",
    ...microsoft,
    operands: [["batch", 3, 2], { dims: [2, 2], dtype: "int64", values: [1, 2, 0, 1] }],
  },
  { op: "Trilu", ...microsoft, opset: 13, operands: [["batch", 3, 4]] },
  {
    op: "Trilu",
    ...microsoft,
    attributes: { upper: 0 },
    operands: [["batch", 3, 4], ints([], [1])],
  },
  { op: "Pad", ...microsoft, operands: [["batch", 3], ints([4], [0, 1, 0, 2])] },
]);
