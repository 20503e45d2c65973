import { type Case, testCases } from "./gradient_check_test.ts";

const shapes: ("batch" | number)[][] = [["batch", 3], ["batch", 2, 3, 2]];

/** Operators of one operand, in double precision, with the range in which they are smooth. */
function unary(
  op: string,
  o: Partial<Case> & { range?: readonly [number, number] } = {},
): Case[] {
  const { range, ...rest } = o;
  return shapes.map((dims) => ({
    op,
    dtype: "float64",
    ...rest,
    operands: [{ dims, ...(range === undefined ? {} : { range }) }],
  }));
}

/** Operators of two operands, broadcast in every way. */
function binary(op: string, o: Partial<Case> & { ranges?: [number, number][] } = {}): Case[] {
  const pairs: [("batch" | number)[], ("batch" | number)[]][] = [
    [["batch", 3], ["batch", 3]],
    [["batch", 4, 3], [3]],
    [["batch", 4, 3], [4, 1]],
    [["batch", 3], []],
    [[1, 3], ["batch", 2, 1]],
    [["batch", 1, 3], [2, 1, 4, 1]],
    [["batch", 1], ["batch", 5]],
  ];
  const { ranges, ...rest } = o;
  return pairs.map(([a, b]) => ({
    op,
    dtype: "float64",
    ...rest,
    operands: [a, b].map((dims, i) => ({
      dims,
      ...(ranges === undefined ? {} : { range: ranges[i]! }),
    })),
  }));
}

testCases("Add, Sub, Mul, Div, Pow", [
  ...binary("Add"),
  ...binary("Add", { opset: 9 }),
  ...binary("Sub"),
  ...binary("Mul"),
  ...binary("Div", { ranges: [[-2, 2], [0.5, 2]] }),
  ...binary("Pow", { ranges: [[0.5, 2], [-2, 3]] }),
  ...[1, 2, 3, 0.5, -1.5].map((p): Case => ({
    op: "Pow",
    dtype: "float64",
    operands: [{ dims: ["batch", 3], range: [0.5, 2] }, { dims: [], values: [p], fixed: true }],
  })),
  {
    op: "Pow",
    dtype: "float64",
    operands: [["batch", 3], { dims: [1], values: [3], dtype: "int64" }],
  },
]);

testCases("Neg, Reciprocal, Exp, Log, Sqrt, Abs", [
  ...unary("Neg"),
  ...unary("Reciprocal", { range: [0.5, 2] }),
  ...unary("Exp"),
  ...unary("Log", { range: [0.5, 2] }),
  ...unary("Sqrt", { range: [0.5, 2] }),
  ...unary("Abs", { range: [0.1, 2] }),
  ...unary("Abs", { range: [-2, -0.1] }),
]);

testCases("Relu, LeakyRelu, PRelu, Elu", [
  ...unary("Relu"),
  ...unary("LeakyRelu", { dtype: "float32", attributes: { alpha: 0.2 }, step: 0.001 }),
  ...unary("LeakyRelu", {
    dtype: "float32",
    attributes: { alpha: -0.3 },
    step: 0.001,
    tolerance: 0.02,
  }),
  ...unary("Elu", { dtype: "float32", attributes: { alpha: 0.7 } }),
  { op: "PRelu", operands: [["batch", 3, 4], [3, 1]], step: 0.001, tolerance: 0.02 },
]);

testCases("Sigmoid, Tanh, Softplus, Softsign, Erf, Gelu", [
  ...unary("Sigmoid"),
  ...unary("Tanh"),
  ...unary("Softplus", { dtype: "float32" }),
  ...unary("Softsign", { dtype: "float32", range: [0.1, 2] }),
  ...unary("Erf", { dtype: "float32" }),
  ...unary("Gelu", { dtype: "float32", opset: 20 }),
  ...unary("Gelu", { dtype: "float32", opset: 20, attributes: { approximate: "tanh" } }),
  ...unary("Gelu", { dtype: "float32", domain: "com.microsoft" }),
  ...unary("FastGelu", { dtype: "float32", domain: "com.microsoft" }),
]);

testCases("Sin, Cos, HardSigmoid, HardSwish", [
  ...unary("Sin", { dtype: "float32" }),
  ...unary("Cos", { dtype: "float32" }),
  ...unary("HardSigmoid", { dtype: "float32", attributes: { alpha: 0.5 }, range: [-0.9, 0.9] }),
  ...unary("HardSigmoid", { dtype: "float32", range: [3, 5] }),
  ...unary("HardSwish", { dtype: "float32", range: [-2.5, 2.5] }),
  ...unary("HardSwish", { dtype: "float32", range: [3.5, 5] }),
]);

testCases("Clip, by attributes and by inputs", [
  ...unary("Clip", {
    dtype: "float32",
    opset: 10,
    attributes: { min: { type: "float", value: -1 }, max: { type: "float", value: 0.5 } },
    step: 0.001,
    tolerance: 0.02,
  }),
  ...[[-0.5, 0.7], [-10, 10]].map(([low, high]): Case => ({
    op: "Clip",
    dtype: "float64",
    operands: [["batch", 5], { dims: [], values: [low!] }, { dims: [], values: [high!] }],
  })),
  { op: "Clip", dtype: "float64", operands: [["batch", 5], null, { dims: [], values: [0.3] }] },
]);

testCases("Max, Min, Sum, Mean", [
  ...binary("Max"),
  ...binary("Min"),
  ...["Max", "Min", "Sum", "Mean"].map((op): Case => ({
    op,
    operands: [["batch", 3], [3], ["batch", 1]],
    step: 0.002,
    tolerance: 0.01,
  })),
  { op: "Sum", operands: [["batch", 3]] },
  { op: "Max", operands: [["batch", 3]] },
]);

testCases("Where", [
  {
    op: "Where",
    operands: [{ dims: [3], dtype: "bool", values: [1, 0, 1] }, ["batch", 1, 3], ["batch", 2, 1]],
  },
  { op: "Where", operands: [{ dims: ["batch", 1], dtype: "bool", values: [1, 0] }, [4], []] },
]);

testCases("Identity, Cast, Expand", [
  ...unary("Identity"),
  { op: "Expand", operands: [["batch", 1, 3], { dims: [3], dtype: "int64", values: [1, 4, 3] }] },
  { op: "Expand", operands: [["batch", 1], { dims: [3], dtype: "int64", values: [2, 1, 3] }] },
]);

testCases("Softmax and LogSoftmax, before and since opset 13", [
  ...[11, 13].flatMap((opset) =>
    ["Softmax", "LogSoftmax"].flatMap((op) =>
      [{}, { axis: 1 }, { axis: -1 }, { axis: 2 }].map((attributes): Case => ({
        op,
        opset,
        dtype: "float64",
        attributes,
        operands: [["batch", 3, 4]],
      }))
    )
  ),
]);
