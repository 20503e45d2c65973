import { RavnError } from "../error.ts";
import { elementCount, isFloat, sameDims, sizeAt } from "../onnx/mod.ts";
import type { DType, Extent, Fact } from "../onnx/mod.ts";
import type { ComputedLoss } from "./loss_config.ts";
import type { LossTerms } from "./loss_terms.ts";

/** In which form a loss takes labels from a data file. */
export interface Labels {
  /** int64 for class indices, else float32. */
  readonly dtype: "int64" | "float32";
  /** Shape of the graph input, the batch included. */
  readonly dims: readonly Extent[];
  /** Classes that indices count, or undefined where the labels are no indices. */
  readonly classes?: number;
}

/** A shape in an error message; the batch is called so. */
export function shapeText(dims: readonly Extent[]): string {
  const names = dims.map((extent) => {
    if (typeof extent === "number") return extent;
    return extent.perSample === 1 ? "batch" : `${extent.perSample}·batch`;
  });
  return `[${names}]`;
}

function without(dims: readonly Extent[], axis: number): Extent[] {
  return dims.filter((_, i) => i !== axis);
}

/**
 * Axis of the output that runs over the classes: 1 as in PyTorch, or the last where only that goes
 * with index labels; 1 for labels of the output's shape. Undefined where the labels do not fit.
 */
export function classAxis(
  output: readonly Extent[],
  labels: { readonly dtype: DType; readonly dims: readonly Extent[] },
): number | undefined {
  if (labels.dtype === "float32") return sameDims(output, labels.dims) ? 1 : undefined;
  if (labels.dtype !== "int64") return undefined;
  return [1, output.length - 1].find((axis) =>
    axis >= 1 && axis < output.length && sameDims(without(output, axis), labels.dims)
  );
}

function perSample(dims: readonly Extent[]): number {
  return elementCount(dims.map((extent) => sizeAt(extent, 1)));
}

/** Shape of class indices for `output`, where `file` can be read as such. */
function indexDims(output: readonly Extent[], file: readonly number[]): Extent[] | undefined {
  if (output.length < 2) return undefined;
  if (output.length === 2) {
    const [rows] = output;
    return perSample([rows!]) === elementCount(file) ? [rows!] : undefined;
  }
  return [1, output.length - 1].map((axis) => without(output, axis))
    .find((dims) => sameDims(dims.slice(1), file));
}

/**
 * How labels from a file go into a loss.
 *
 * Class losses take indices where the file has one number for each place of the output, else
 * probabilities of the output's shape. The others take the output's shape, in any arrangement of as
 * many elements, or integer indices, which count as one-hot.
 *
 * @param file element type and shape of one sample, the batch left out.
 * @throws {RavnError} naming the loss, the output and both shapes.
 */
export function labelsFor(
  loss: ComputedLoss,
  output: { readonly name: string; readonly fact: Fact },
  file: { readonly source: string; readonly dtype: DType; readonly dims: readonly number[] },
): Labels {
  const { dims } = output.fact;
  const byClass = loss.type === "cross_entropy" || loss.type === "nll";
  const dense = perSample(dims) === elementCount(file.dims);
  const index = byClass || !isFloat(file.dtype) ? indexDims(dims, file.dims) : undefined;
  if (index !== undefined && (byClass || !dense)) {
    const axis = classAxis(dims, { dtype: "int64", dims: index });
    return { dtype: "int64", dims: index, classes: sizeAt(dims[axis!]!, 1) };
  }
  if (dense && !(byClass && dims.length < 2)) return { dtype: "float32", dims };
  const shape = shapeText([{ perSample: 1 }, ...file.dims]);
  const indices = shapeText(without(dims, 1));
  throw new RavnError(
    `${file.source}: labels ${file.dtype} ${shape} do not go with output "${output.name}" ` +
      `${shapeText(dims)} for loss ${loss.type}; expected ${shapeText(dims)}` +
      (dims.length < 2 ? "" : `, or class indices ${indices}`),
  );
}

/** Class indices as vectors along the class axis: `off` everywhere but `on` at the index. */
export function oneHot(
  o: LossTerms,
  indices: string,
  [off, on]: readonly [off: number, on: number],
): string {
  const { forward } = o;
  const classes = sizeAt(o.dims[o.axis]!, 1);
  return forward.node(
    "OneHot",
    [indices, forward.integer(classes), forward.floats([off, on])],
    { axis: o.axis },
  );
}
