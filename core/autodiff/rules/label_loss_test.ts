import { type Case, testCases } from "./gradient_check_test.ts";

const REDUCTIONS = ["none", "sum", "mean"] as const;
const TYPES = ["float32", "float64"] as const;

const labels = (dims: readonly ("batch" | number)[], values: readonly number[]) => ({
  dims,
  values,
  dtype: "int64" as const,
});
const flat = labels(["batch"], [1, 3]);
const mapped = labels(["batch", 3], [1, 3, 0, 2, 2, 1]);
const ignoring = labels(["batch", 3], [1, -100, 0, 2, -100, 1]);
const classWeights = { dims: [4], range: [0.5, 2] as const, fixed: true };

for (const op of ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"]) {
  testCases(`${op}: reductions, weights and ignored labels`, [
    ...REDUCTIONS.flatMap((reduction) =>
      TYPES.flatMap((dtype): Case[] => [
        { op, dtype, attributes: { reduction }, operands: [["batch", 4], flat] },
        { op, dtype, attributes: { reduction }, operands: [["batch", 4, 3], mapped] },
        { op, dtype, attributes: { reduction }, operands: [["batch", 4], flat, classWeights] },
        {
          op,
          dtype,
          attributes: { reduction, ignore_index: -100 },
          operands: [["batch", 4, 3], ignoring],
        },
        {
          op,
          dtype,
          attributes: { reduction, ignore_index: 3 },
          operands: [["batch", 4, 3], mapped, classWeights],
        },
      ])
    ),
    { op, opset: 13, operands: [["batch", 4], flat] },
  ]);
}

testCases("SoftmaxCrossEntropyLoss with the logarithms of its probabilities", [
  { op: "SoftmaxCrossEntropyLoss", operands: [["batch", 4], flat], outputs: 2 },
  { op: "SoftmaxCrossEntropyLoss", operands: [["batch", 4, 3], mapped], outputs: 2 },
]);
