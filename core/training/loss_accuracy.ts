import { sameDims } from "../onnx/mod.ts";
import type { DType, Extent, Fact } from "../onnx/mod.ts";

/** How labels name a class: by its index, or by a row in which it has the largest value. */
export type AccuracyKind = "index" | "onehot";

/**
 * How the accuracy of `output` against `labels` is counted, or undefined where classes are not the
 * output's last axis.
 *
 * @param labels `oneHot` is false where labels of the output's shape are known to be no classes, as
 *   in a regression; taken for one-hot if absent.
 */
export function accuracyKind(
  output: Fact,
  labels: {
    readonly dtype: DType;
    readonly dims: readonly Extent[];
    readonly oneHot?: boolean | undefined;
  },
): AccuracyKind | undefined {
  const { dims } = output;
  const classes = dims.at(-1);
  if (dims.length < 2 || typeof classes !== "number" || classes < 2) return undefined;
  if (labels.dtype === "int64") {
    return sameDims(dims.slice(0, -1), labels.dims) ? "index" : undefined;
  }
  return sameDims(dims, labels.dims) && labels.oneHot !== false ? "onehot" : undefined;
}

/** Index of the largest of `values[start, start + length)`, first on a tie; -1 if all are NaN. */
function largest(values: ArrayLike<number>, start: number, length: number): number {
  let best = -1;
  let value = -Infinity;
  for (let i = 0; i < length; i++) {
    const candidate = values[start + i]!;
    if (candidate > value || (best < 0 && candidate === value)) {
      best = i;
      value = candidate;
    }
  }
  return best;
}

/**
 * Number of rows of `output` whose largest value is at the label's class.
 *
 * @param output rows of `classes` scores.
 * @param labels for `index` one class a row, for `onehot` `classes` values a row.
 * @throws {RangeError} when the lengths do not agree.
 */
export function countCorrect(
  output: ArrayLike<number>,
  labels: ArrayLike<number> | ArrayLike<bigint>,
  kind: AccuracyKind,
  classes: number,
): number {
  const rows = output.length / classes;
  const expected = kind === "index" ? rows : output.length;
  if (!Number.isInteger(rows) || labels.length !== expected) {
    throw new RangeError(
      `${output.length} scores of ${classes} classes need ${expected} labels, got ${labels.length}`,
    );
  }
  let correct = 0;
  for (let row = 0; row < rows; row++) {
    const found = largest(output, row * classes, classes);
    const label = kind === "index"
      ? Number(labels[row])
      : largest(labels as ArrayLike<number>, row * classes, classes);
    if (found === label) correct += 1;
  }
  return correct;
}
