import { type Case, testCases } from "./gradient_check_test.ts";

type Dims = readonly (number | "batch")[];

/** Points on a map and beyond its border, none of them where an element begins. */
function sampled(x: Dims, grid: Dims, attributes: NonNullable<Case["attributes"]>, opset = 20) {
  const operands = [x, { dims: grid, range: [-1.3, 1.3] as const }];
  return { op: "GridSample", opset, dtype: "float64" as const, operands, attributes, step: 1e-5 };
}

/** A coarser step must not carry any of these into the next element. */
const POINTS = [-1.17, -0.63, -0.28, 0.2, 0.57, 0.87, 1.13, 0.13];

testCases(
  "GridSample: maps and volumes, beyond the border, linear and nearest",
  ["zeros", "border", "reflection"].flatMap((padding_mode) =>
    [0, 1].flatMap((align_corners) => [
      sampled(["batch", 2, 4, 5], ["batch", 3, 2, 2], { padding_mode, align_corners }),
      sampled(["batch", 3, 1, 3], ["batch", 2, 2, 2], { padding_mode, align_corners }),
      sampled(["batch", 2, 3, 4, 2], ["batch", 2, 1, 3, 3], { padding_mode, align_corners }),
      {
        op: "GridSample",
        opset: 16,
        attributes: { padding_mode, align_corners },
        operands: [["batch", 2, 4, 5], { dims: ["batch", 1, 2, 2], values: POINTS }],
        step: 4e-3,
      },
      {
        op: "GridSample",
        domain: "com.microsoft",
        attributes: { padding_mode, align_corners },
        operands: [["batch", 2, 4, 5], { dims: ["batch", 1, 2, 2], values: POINTS }],
        step: 4e-3,
      },
      {
        op: "GridSample",
        opset: 20,
        attributes: { mode: "nearest", padding_mode, align_corners },
        operands: [["batch", 2, 4, 5], {
          dims: ["batch", 3, 2, 2],
          range: [-1.3, 1.3] as const,
          fixed: true,
        }],
        step: 0.5,
      },
    ])
  ),
);
