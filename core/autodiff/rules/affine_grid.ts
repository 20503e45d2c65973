import { intOf, tensor } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { area } from "./conv_shape.ts";

/**
 * Coordinates of the points along an axis, from −1 to 1 over pixels or over their centres. A single
 * point stands at 1 in the first case, as ONNX Runtime has it.
 */
function coordinates(size: number, alignCorners: boolean): number[] {
  return Array.from({ length: size }, (_, i) => {
    if (!alignCorners) return (2 * i + 1) / size - 1;
    return size === 1 ? 1 : 2 * i / (size - 1) - 1;
  });
}

/** The points of a regular grid in homogeneous coordinates: x first, 1 last. */
function points(sizes: readonly number[], alignCorners: boolean): number[][] {
  return sizes.map((size) => coordinates(size, alignCorners)).reduce<number[][]>(
    (outer, axis) => outer.flatMap((point) => axis.map((place) => [place, ...point])),
    [[1]],
  );
}

/** y[n, p] = theta[n] g[p] for the points g of a regular grid: dtheta[n] = Σ dy[n, p] g[p]ᵀ. */
export const affineGrid: RuleEntry = [
  rule((call) => {
    const { emit, dy, type, node } = call;
    return [() => {
      const sizes = call.fixedDims(call.output(), 1);
      const rank = sizes.length - 1;
      const count = area(sizes.slice(0, rank));
      const grid = points(sizes.slice(0, rank), intOf(node, "align_corners", 0) === 1);
      const base = emit.constant(tensor(type, [count, rank + 1], grid.flat()), "grid");
      const rows = emit.reshape(dy, [call.dims(call.output())[0]!, count, rank]);
      return emit.matMul(rows, base, { dtype: type, rankA: 3, rankB: 2, transA: true });
    }, undefined];
  }, { since: 20 }),
];
