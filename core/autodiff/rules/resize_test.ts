import { attributeOf } from "../../onnx/mod.ts";
import { type Case, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

const floats = (...values: number[]) => ({
  dims: [values.length],
  dtype: "float32" as const,
  values,
  fixed: true,
});
const ints = (...values: number[]) => ({ dims: [values.length], dtype: "int64" as const, values });
const nothing = floats();

/** Linear in x, so a wide difference is exact but for rounding. */
function byScales(dims: Dims, scales: number[], attributes: Case["attributes"], opset = 13): Case {
  const operands = [dims, nothing, floats(...scales)];
  return { op: "Resize", opset, operands, attributes: attributes ?? {}, step: 0.5 };
}

function bySizes(dims: Dims, sizes: number[], attributes: Case["attributes"], opset = 13): Case {
  const operands = [dims, nothing, nothing, ints(...sizes)];
  return { op: "Resize", opset, operands, attributes: attributes ?? {}, step: 0.5 };
}

const TRANSFORMATIONS = ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"];

testCases(
  "Resize, nearest: all ways to round, by whole and broken scales",
  TRANSFORMATIONS.flatMap((coordinate_transformation_mode) =>
    ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"].flatMap((nearest_mode) => {
      const attributes = { mode: "nearest", coordinate_transformation_mode, nearest_mode };
      return [
        byScales(["batch", 2, 3, 2], [1, 1, 2, 3], attributes),
        byScales(["batch", 2, 5, 4], [1, 1, 1.7, 0.5], attributes),
      ];
    })
  ),
);

testCases(
  "Resize, linear and cubic",
  [...TRANSFORMATIONS, "half_pixel_symmetric"].flatMap((coordinate_transformation_mode) => {
    const opset = coordinate_transformation_mode === "half_pixel_symmetric" ? 19 : 13;
    const linear = { mode: "linear", coordinate_transformation_mode };
    const cubic = { mode: "cubic", coordinate_transformation_mode };
    return [
      byScales(["batch", 2, 3, 4], [1, 1, 2, 2], linear, opset),
      byScales(["batch", 2, 5, 4], [1, 1, 0.6, 1.5], linear, opset),
      byScales(["batch", 2, 3, 4], [1, 1, 2, 1.5], cubic, opset),
      byScales(["batch", 1, 4, 4], [1, 1, 2, 2], { ...cubic, exclude_outside: 1 }, opset),
    ];
  }),
);

testCases("Resize by sizes, of fixed batches, of lines and volumes", [
  bySizes([2, 2, 3, 4], [2, 2, 5, 3], { mode: "linear" }),
  bySizes([2, 2, 3, 4], [2, 2, 6, 8], { mode: "nearest" }),
  bySizes([1, 2, 3, 4], [1, 2, 1, 1], {
    mode: "linear",
    coordinate_transformation_mode: "pytorch_half_pixel",
  }),
  bySizes([1, 1, 4, 4], [1, 1, 7, 7], {
    mode: "linear",
    coordinate_transformation_mode: "align_corners",
  }),
  byScales(["batch", 2, 5], [1, 1, 2], { mode: "linear" }),
  byScales(["batch", 2, 5], [1, 1, 2], { mode: "nearest" }),
  byScales(["batch", 2, 2, 3, 2], [1, 1, 2, 2, 2], { mode: "nearest", nearest_mode: "floor" }),
  byScales(["batch", 2, 2, 3, 2], [1, 1, 2, 1.5, 2], { mode: "linear" }),
  byScales([4, 3], [1.5, 2], { mode: "linear" }),
  byScales([2, 3, 4], [2, 1, 1], { mode: "nearest" }),
]);

testCases("Resize: axes, antialiasing, regions, old operator sets", [
  {
    op: "Resize",
    opset: 18,
    attributes: { mode: "linear", axes: [2, 3] },
    operands: [["batch", 2, 3, 4], null, floats(2, 0.5)],
    step: 0.5,
  },
  {
    op: "Resize",
    opset: 18,
    attributes: { mode: "linear", axes: [3, 2] },
    operands: [["batch", 2, 3, 4], null, null, ints(6, 5)],
    step: 0.5,
  },
  byScales(["batch", 2, 6, 6], [1, 1, 0.5, 0.6], { mode: "linear", antialias: 1 }, 18),
  byScales(["batch", 1, 8, 6], [1, 1, 0.4, 0.6], { mode: "cubic", antialias: 1 }, 18),
  {
    op: "Resize",
    opset: 13,
    attributes: { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize" },
    operands: [
      ["batch", 2, 5, 5],
      floats(0, 0, 0.2, 0, 1, 1, 0.9, 1.2),
      floats(1, 1, 1.2, 1),
    ],
    step: 0.5,
  },
  byScales(["batch", 2, 3, 4], [1, 1, 2, 2], { mode: "linear" }, 11),
  bySizes([2, 2, 3, 4], [2, 2, 5, 8], { mode: "linear" }, 11),
  {
    op: "Resize",
    opset: 10,
    attributes: { mode: "nearest" },
    operands: [["batch", 2, 3, 4], floats(1, 1, 2, 1.5)],
    step: 0.5,
  },
  ...["nearest", "linear"].flatMap((mode): Case[] => [
    {
      op: "Upsample",
      opset: 9,
      attributes: { mode },
      operands: [["batch", 2, 3, 4], floats(1, 1, 2, 2)],
      step: 0.5,
    },
    {
      op: "Upsample",
      opset: 8,
      attributes: { mode, scales: attributeOf([1, 1, 2.5, 2]) },
      operands: [["batch", 2, 3, 4]],
      step: 0.5,
    },
  ]),
]);
