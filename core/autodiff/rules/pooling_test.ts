import { type Case, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

/** Elements lie far apart, so that a small step changes no maximum. */
function maxPool(dims: Dims, attributes: NonNullable<Case["attributes"]>, opset = 17): Case {
  const operands = [{ dims, spaced: 0.1 }];
  return { op: "MaxPool", opset, operands, attributes, step: 0.004, tolerance: 0.01 };
}

testCases("MaxPool: side by side, overlapping, padded, dilated, one to three dimensions", [
  maxPool(["batch", 2, 4, 4], { kernel_shape: [2, 2], strides: [2, 2] }),
  maxPool(["batch", 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2] }),
  maxPool(["batch", 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  maxPool(["batch", 2, 5, 4], { kernel_shape: [2, 2], strides: [3, 2], pads: [0, 1, 0, 1] }),
  maxPool(["batch", 2, 2, 2], { kernel_shape: [2, 2], strides: [2, 2] }),
  maxPool(["batch", 2, 6, 6], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  maxPool(["batch", 2, 5, 5], { kernel_shape: [3, 3] }),
  maxPool(["batch", 2, 7, 7], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  maxPool(["batch", 1, 6, 6], { kernel_shape: [2, 2], dilations: [2, 2] }),
  maxPool(["batch", 2, 5, 5], { kernel_shape: [2, 3], strides: [2, 2], auto_pad: "SAME_UPPER" }),
  maxPool(["batch", 2, 8], { kernel_shape: [2], strides: [2] }),
  maxPool(["batch", 2, 9], { kernel_shape: [3], strides: [2] }),
  maxPool(["batch", 1, 4, 4, 2], { kernel_shape: [2, 2, 2], strides: [2, 2, 2] }),
  maxPool(["batch", 2, 7, 7], { kernel_shape: [3, 3], strides: [2, 2] }, 12),
  maxPool(["batch", 2, 5, 8], { kernel_shape: [3, 4], strides: [1, 2] }, 12),
  { ...maxPool(["batch", 2, 4, 4], {}), op: "GlobalMaxPool" },
]);

function averagePool(dims: Dims, attributes: NonNullable<Case["attributes"]>): Case {
  return { op: "AveragePool", opset: 19, operands: [dims], attributes, step: 0.5 };
}

testCases("AveragePool and GlobalAveragePool", [
  averagePool(["batch", 2, 4, 6], { kernel_shape: [2, 3], strides: [2, 3] }),
  averagePool(["batch", 2, 5, 7], { kernel_shape: [2, 3], strides: [2, 3] }),
  averagePool(["batch", 2, 5, 5], { kernel_shape: [3, 3] }),
  averagePool(["batch", 2, 5, 5], { kernel_shape: [3, 3], strides: [2, 2] }),
  ...[0, 1].flatMap((count_include_pad) => [
    averagePool(["batch", 2, 5, 5], {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      count_include_pad,
    }),
    averagePool(["batch", 2, 6, 5], {
      kernel_shape: [3, 2],
      strides: [2, 2],
      pads: [1, 0, 0, 1],
      count_include_pad,
      ceil_mode: 1,
    }),
    averagePool(["batch", 2, 5, 5], {
      kernel_shape: [3, 3],
      auto_pad: "SAME_LOWER",
      count_include_pad,
    }),
  ]),
  averagePool(["batch", 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  averagePool(["batch", 2, 6, 6], { kernel_shape: [2, 2], dilations: [2, 2] }),
  averagePool(["batch", 2, 8], { kernel_shape: [2], strides: [2] }),
  averagePool(["batch", 2, 8], { kernel_shape: [3], strides: [2] }),
  { op: "GlobalAveragePool", operands: [["batch", 2, 3, 4]], step: 0.5 },
  { op: "GlobalAveragePool", operands: [["batch", 2, 5]], step: 0.5 },
]);
