import { DTYPES, GraphBuilder, tensor } from "../../onnx/mod.ts";
import { type Case, checkGradients, testCases, unary } from "./gradient_check_test.ts";

const double = { dtype: "float64" as const };

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
  ...[0, 1, 2, 3, 0.5, 2.5, -0.5, -1, -1.5].map((p): Case => ({
    op: "Pow",
    dtype: "float64",
    operands: [{ dims: ["batch", 3], range: [0.5, 2] }, { dims: [], values: [p], fixed: true }],
  })),
  {
    op: "Pow",
    dtype: "float64",
    operands: [["batch", 3], { dims: [1], values: [3], dtype: "int64" }],
  },
  {
    op: "Pow",
    dtype: "float64",
    operands: [["batch", 3], { dims: [3], values: [2, 0, 3], fixed: true }],
  },
]);

testCases("Mod with the sign of the dividend", [
  ...binary("Mod", { attributes: { fmod: 1 }, ranges: [[3.1, 3.9], [0.91, 0.99]], step: 1e-5 }),
  ...binary("Mod", { attributes: { fmod: 1 }, ranges: [[-3.9, -3.1], [2.1, 2.9]], step: 1e-5 }),
]);

testCases("Neg, Reciprocal, Exp, Log, Sqrt, Abs", [
  ...unary("Neg", double),
  ...unary("Reciprocal", { ...double, range: [0.5, 2] }),
  ...unary("Exp", double),
  ...unary("Log", { ...double, range: [0.5, 2] }),
  ...unary("Sqrt", { ...double, range: [0.5, 2] }),
  ...unary("Abs", { ...double, range: [0.1, 2] }),
  ...unary("Abs", { ...double, range: [-2, -0.1] }),
]);

testCases("Sin, Cos, Tan and their inverses", [
  ...unary("Sin", double),
  ...unary("Cos", double),
  ...unary("Tan", { range: [-1, 1] }),
  ...unary("Asin", { range: [-0.9, 0.9] }),
  ...unary("Acos", { range: [-0.9, 0.9] }),
  ...unary("Atan"),
]);

testCases("Sinh, Cosh, Erf and the inverses", [
  ...unary("Sinh"),
  ...unary("Cosh"),
  ...unary("Asinh"),
  ...unary("Acosh", { range: [1.5, 3] }),
  ...unary("Atanh", { range: [-0.8, 0.8], step: 0.01 }),
  ...unary("Erf"),
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

testCases("Identity, Expand", [
  ...unary("Identity", double),
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

Deno.test("Cast and CastLike give the gradient the type of x", async () => {
  const b = new GraphBuilder("cast");
  const x = b.input("x", "float32", ["batch", 3]);
  const wide = b.node("Cast", [x], { to: DTYPES.float64.code });
  const square = b.node("Mul", [wide, wide]);
  b.output(b.node("CastLike", [square, x]), "float32");
  const whole = b.node("Cast", [b.node("Cast", [x], { to: DTYPES.int64.code })], { to: 1 });
  b.output(b.node("Mul", [whole, x]), "float32");
  const feeds = new Map([["x", tensor("float32", [2, 3], [0.5, -1.5, 2.5, 0.25, 1.75, -0.5])]]);
  await checkGradients(b.build(), { feeds, wrt: ["x"], what: "casts" });
});
