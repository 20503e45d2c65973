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

/** How many rows of a batch are right. */
export interface Correct {
  readonly correct: number;
  /** Rows that count. */
  readonly rows: number;
}

/**
 * Counts the rows of `output` whose largest value is at the label's class.
 *
 * @param output rows of `classes` scores.
 * @param labels for `index` one class a row, for `onehot` `classes` values a row.
 * @param ignored a class index whose rows do not count.
 * @throws {RangeError} when the lengths do not agree.
 */
export function countCorrect(
  output: ArrayLike<number>,
  labels: ArrayLike<number> | ArrayLike<bigint>,
  kind: AccuracyKind,
  classes: number,
  ignored?: number,
): Correct {
  let correct = 0;
  let rows = 0;
  for (const right of verdicts(output, labels, kind, classes, ignored)) {
    if (right === undefined) continue;
    rows += 1;
    if (right) correct += 1;
  }
  return { correct, rows };
}

/** Whether each row is right; undefined where it does not count. Arguments of `countCorrect`. */
function* verdicts(
  output: ArrayLike<number>,
  labels: ArrayLike<number> | ArrayLike<bigint>,
  kind: AccuracyKind,
  classes: number,
  ignored: number | undefined,
): Generator<boolean | undefined> {
  const rows = output.length / classes;
  const expected = kind === "index" ? rows : output.length;
  if (!Number.isInteger(rows) || labels.length !== expected) {
    throw new RangeError(
      `${output.length} scores of ${classes} classes need ${expected} labels, got ${labels.length}`,
    );
  }
  for (let row = 0; row < rows; row++) {
    const label = kind === "index"
      ? Number(labels[row])
      : largest(labels as ArrayLike<number>, row * classes, classes);
    const counts = kind === "onehot" || label !== ignored;
    yield counts ? largest(output, row * classes, classes) === label : undefined;
  }
}

/**
 * Counts whole sequences: those in which every row that counts is right. Where each row of a
 * causal model predicts the next token, these are the ones that greedy decoding gets right: it
 * goes on from right tokens until its first mistake.
 *
 * @param length rows of a sequence; the other arguments are those of `countCorrect`.
 * @returns as `rows` the sequences of which some row counts.
 */
export function countSequences(
  output: ArrayLike<number>,
  labels: ArrayLike<number> | ArrayLike<bigint>,
  kind: AccuracyKind,
  classes: number,
  length: number,
  ignored?: number,
): Correct {
  let [correct, sequences, row, counted, wrong] = [0, 0, 0, 0, 0];
  for (const right of verdicts(output, labels, kind, classes, ignored)) {
    if (right !== undefined) counted += 1;
    if (right === false) wrong += 1;
    row += 1;
    if (row < length) continue;
    if (counted > 0) sequences += 1;
    if (counted > 0 && wrong === 0) correct += 1;
    [row, counted, wrong] = [0, 0, 0];
  }
  return { correct, rows: sequences };
}
