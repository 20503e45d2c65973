import { type Case, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

/** Linear in each operand: a wide difference is exact but for rounding. */
function spread(x: Dims, w: number[], attributes: NonNullable<Case["attributes"]> = {}): Case {
  const filters = w[1]! * (typeof attributes["group"] === "number" ? attributes["group"] : 1);
  return { op: "ConvTranspose", operands: [x, w, [filters]], attributes, step: 0.5 };
}

testCases("ConvTranspose: stride, padding, dilation, groups, one to three dimensions", [
  spread(["batch", 3, 4, 5], [3, 2, 3, 3]),
  { op: "ConvTranspose", operands: [["batch", 3, 4, 5], [3, 2, 3, 2]], step: 0.5 },
  spread(["batch", 3, 4, 3], [3, 2, 2, 2], { strides: [2, 2] }),
  spread(["batch", 3, 4, 3], [3, 2, 4, 4], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  spread(["batch", 3, 4, 3], [3, 2, 3, 3], {
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    output_padding: [1, 1],
  }),
  spread(["batch", 2, 3, 3], [2, 3, 3, 2], { strides: [3, 2], pads: [1, 0, 0, 1] }),
  spread(["batch", 2, 4, 4], [2, 3, 3, 3], { dilations: [2, 1], strides: [1, 2] }),
  spread(["batch", 4, 3, 3], [4, 3, 3, 3], { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }),
  spread(["batch", 3, 4, 4], [3, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }),
  spread(["batch", 3, 4, 4], [3, 4, 1, 1]),
  spread(["batch", 3, 4, 4], [3, 2, 1, 1], { strides: [2, 2] }),
  spread(["batch", 3, 6], [3, 2, 4], { strides: [2], pads: [1, 1] }),
  spread(["batch", 2, 5], [2, 3, 3], { strides: [3], output_padding: [2] }),
  spread(["batch", 2, 2, 3, 2], [2, 2, 2, 3, 2], { strides: [2, 1, 2], pads: [0, 1, 0, 1, 1, 0] }),
  spread(["batch", 1, 1, 1], [1, 4, 4, 4]),
]);

testCases("ConvTranspose: padding from auto_pad and output_shape", [
  ...["SAME_UPPER", "SAME_LOWER", "VALID"].flatMap((auto_pad) => [
    spread(["batch", 2, 3, 4], [2, 3, 3, 3], { auto_pad, strides: [2, 2] }),
    spread(["batch", 2, 3, 4], [2, 3, 4, 2], { auto_pad, strides: [1, 2] }),
  ]),
  spread(["batch", 2, 3, 4], [2, 3, 3, 3], { output_shape: [6, 8], strides: [2, 2] }),
  spread(["batch", 2, 3, 4], [2, 3, 3, 3], { output_shape: [5, 7], strides: [2, 2] }),
  spread(["batch", 2, 3, 4], [2, 3, 3, 3], {
    output_shape: [6, 8],
    strides: [2, 2],
    auto_pad: "SAME_UPPER",
  }),
  spread(["batch", 2, 3], [2, 3, 3], { output_shape: [8], strides: [2] }),
]);
