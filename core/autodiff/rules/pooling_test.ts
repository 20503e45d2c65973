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
  maxPool(["batch", 1, 4, 5, 4], { kernel_shape: [2, 3, 2], strides: [1, 2, 1] }),
  maxPool(["batch", 1, 5, 4, 4], {
    kernel_shape: [2, 2, 2],
    strides: [2, 2, 2],
    dilations: [2, 1, 1],
    pads: [1, 0, 0, 0, 0, 1],
    ceil_mode: 1,
  }),
  { ...maxPool(["batch", 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2] }), dtype: "float64" },
  ...[0, 1].map((storage_order) => ({
    ...maxPool(["batch", 2, 6, 4], { kernel_shape: [2, 2], strides: [2, 2], storage_order }),
    outputs: 2,
    used: 1,
  })),
  { ...maxPool(["batch", 2, 4, 4], {}), op: "GlobalMaxPool" },
  { ...maxPool(["batch", 2, 4], {}), op: "GlobalMaxPool" },
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
  averagePool(["batch", 1, 4, 5, 3], { kernel_shape: [2, 3, 2], strides: [2, 1, 1] }),
  averagePool(["batch", 1, 5, 4, 4], {
    kernel_shape: [3, 3, 2],
    strides: [2, 2, 2],
    pads: [1, 1, 0, 1, 1, 0],
    ceil_mode: 1,
    count_include_pad: 1,
  }),
  averagePool(["batch", 2, 70], { kernel_shape: [3], pads: [1, 1] }),
  averagePool(["batch", 1, 67, 5], { kernel_shape: [2, 2], dilations: [2, 1], pads: [1, 0, 0, 1] }),
  { op: "GlobalAveragePool", operands: [["batch", 2, 3, 4]], step: 0.5 },
  { op: "GlobalAveragePool", operands: [["batch", 2, 5]], step: 0.5 },
]);

/** Elements stay away from 0, where |x| has no slope. */
function lpPool(dims: Dims, attributes: NonNullable<Case["attributes"]>, opset = 18): Case {
  const operands = [{ dims, range: [0.4, 1.6] as const }];
  return { op: "LpPool", opset, operands, attributes, step: 0.02, tolerance: 0.01 };
}

testCases("LpPool and GlobalLpPool", [
  ...[1, 2, 3, 4].flatMap((p) => [
    lpPool(["batch", 2, 5, 5], { kernel_shape: [3, 3], strides: [2, 2], p }),
    lpPool(["batch", 2, 7], { kernel_shape: [2], p }, 11),
    { ...lpPool(["batch", 2, 3, 4], { p }), op: "GlobalLpPool" },
  ]),
  lpPool(["batch", 2, 5, 4], { kernel_shape: [3, 2], pads: [1, 0, 1, 1], strides: [2, 2] }),
  lpPool(["batch", 2, 6, 6], { kernel_shape: [2, 2], dilations: [2, 3] }),
  lpPool(["batch", 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  lpPool(["batch", 2, 5, 5], { kernel_shape: [2, 3], strides: [2, 2], auto_pad: "SAME_UPPER" }),
  lpPool(["batch", 1, 3, 4, 4], { kernel_shape: [2, 2, 2], strides: [1, 2, 2] }),
  ...[1, 2, 3, 4].map((p) => ({
    ...lpPool(["batch", 2, 5], { kernel_shape: [2], p }),
    operands: [{ dims: ["batch", 2, 5] as const, range: [-1.6, -0.4] as const }],
  })),
]);

const places = (dims: Dims, values: number[]) => ({ dims, dtype: "int64" as const, values });
const unpooling = { kernel_shape: [2, 2], strides: [2, 2] };

testCases("MaxUnpool, with and without the size of its output", [
  {
    op: "MaxUnpool",
    attributes: unpooling,
    operands: [[1, 2, 2, 2], places([1, 2, 2, 2], [5, 7, 13, 10, 16, 19, 24, 31])],
    step: 0.5,
  },
  {
    op: "MaxUnpool",
    attributes: unpooling,
    operands: [[1, 1, 2, 2], places([1, 1, 2, 2], [6, 8, 15, 23]), places([4], [1, 1, 5, 5])],
    step: 0.5,
  },
]);
