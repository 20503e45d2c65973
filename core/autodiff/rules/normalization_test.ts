import { type Case, testCases } from "./gradient_check_test.ts";

const positive = (dims: readonly number[]) => ({ dims, range: [0.5, 2] as const, fixed: true });
const fixed = (dims: readonly number[]) => ({ dims, fixed: true });

/** Batch statistics in float64: the differences of a normalised value are small. */
function training(dims: readonly (number | "batch")[]): Case {
  const c = [Number(dims[1])];
  return {
    op: "BatchNormalization",
    dtype: "float64",
    operands: [dims, c, c, fixed(c), positive(c)],
    attributes: { training_mode: 1, epsilon: 0.01, momentum: { type: "float", value: 0 } },
    outputs: 3,
    used: 1,
    tolerance: 1e-5,
  };
}

testCases("BatchNormalization with the batch's statistics", [
  training(["batch", 3]),
  training(["batch", 3, 4]),
  training(["batch", 2, 3, 3]),
  training(["batch", 1, 3, 3]),
]);

testCases("BatchNormalization with stored statistics", [
  ...[9, 15].flatMap((opset) =>
    [["batch", 3], ["batch", 2, 3, 3]].map((dims): Case => {
      const c = [Number(dims[1])];
      const operands = [dims as ("batch" | number)[], c, c, fixed(c), positive(c)];
      return { op: "BatchNormalization", opset, dtype: "float64", operands };
    })
  ),
]);

testCases("LayerNormalization, with and without its statistics as outputs", [
  { op: "LayerNormalization", operands: [["batch", 4], [4], [4]] },
  { op: "LayerNormalization", operands: [["batch", 3, 4], [4]] },
  {
    op: "LayerNormalization",
    attributes: { axis: 1 },
    operands: [["batch", 3, 4], [3, 4], [3, 4]],
  },
  { op: "LayerNormalization", operands: [["batch", 3, 4], [4], [4]], outputs: 3, used: 1 },
  { op: "LayerNormalization", dtype: "float64", operands: [["batch", 4], [4]], tolerance: 1e-3 },
]);
