import { sizeAt } from "../onnx/mod.ts";
import { oneHot } from "./loss_labels.ts";
import type { LossTerms, LossValues } from "./loss_terms.ts";

/**
 * Mean squared error over all n elements:
 *
 *   L = Σ (y − t)² / n,   dL/dy = 2 (y − t) / n
 */
export function meanSquaredError(o: LossTerms): LossValues {
  const { forward, backward } = o;
  const difference = forward.node("Sub", [o.output, targetOf(o)]);
  const square = forward.node("Mul", [difference, difference]);
  const loss = forward.node("ReduceMean", [square], { keepdims: 0 });
  const twice = backward.node("Add", [o.scale, o.scale]);
  const factor = backward.node("Div", [twice, backward.count(difference)]);
  return { loss, gradient: backward.node("Mul", [difference, factor]) };
}

/**
 * Mean absolute error over all n elements:
 *
 *   L = Σ |y − t| / n,   dL/dy = sign(y − t) / n
 */
export function meanAbsoluteError(o: LossTerms): LossValues {
  const { forward, backward } = o;
  const difference = forward.node("Sub", [o.output, targetOf(o)]);
  const size = forward.node("Abs", [difference]);
  const loss = forward.node("ReduceMean", [size], { keepdims: 0 });
  const factor = backward.node("Div", [o.scale, backward.count(difference)]);
  const sign = backward.node("Sign", [difference]);
  return { loss, gradient: backward.node("Mul", [sign, factor]) };
}

/**
 * Huber's loss over all n elements, d = y − t, c = d limited to [−δ, δ] (P. Huber, 1964):
 *
 *   L = Σ c (d − c/2) / n,   dL/dy = c / n
 *
 * which is d²/2 within the limits and δ (|d| − δ/2) beyond. Smooth L1 is the same over δ.
 */
export function huber(o: LossTerms, delta: number, divisor: number): LossValues {
  const { forward, backward } = o;
  const difference = forward.node("Sub", [o.output, targetOf(o)]);
  const limits = [forward.float(-delta), forward.float(delta)];
  const limited = forward.node("Clip", [difference, ...limits]);
  const half = forward.node("Mul", [limited, forward.float(0.5)]);
  const rest = forward.node("Sub", [difference, half]);
  const each = forward.node("Mul", [limited, rest]);
  const mean = forward.node("ReduceMean", [each], { keepdims: 0 });
  const loss = divisor === 1 ? mean : forward.node("Div", [mean, forward.float(divisor)]);
  let factor = backward.node("Div", [o.scale, backward.count(difference)]);
  if (divisor !== 1) factor = backward.node("Div", [factor, backward.float(divisor)]);
  return { loss, gradient: backward.node("Mul", [limited, factor]) };
}

/**
 * Binary cross entropy of logits, mean over all n elements, p the weight of positive labels:
 *
 *   L = Σ ((1 + (p − 1) t) log(1 + eʸ) − p y t) / n,   dL/dy = ((1 + (p − 1) t) σ(y) − p t) / n
 *
 * Softplus is the stable form of log(1 + eʸ).
 */
export function binaryCrossEntropy(
  o: LossTerms,
  positive: number | readonly number[] = 1,
): LossValues {
  const { forward, backward } = o;
  const target = targetOf(o);
  let softplus = forward.node("Softplus", [o.output]);
  let sigmoid = backward.node("Sigmoid", [o.output]);
  let hits = target;
  if (positive !== 1) {
    const constant = (shift: number) =>
      typeof positive === "number"
        ? forward.float(positive - shift)
        : forward.floats(positive.map((weight) => weight - shift));
    const extra = forward.node("Mul", [target, constant(1)]);
    const weights = forward.node("Add", [extra, forward.float(1)]);
    hits = forward.node("Mul", [target, constant(0)]);
    softplus = forward.node("Mul", [softplus, weights]);
    sigmoid = backward.node("Mul", [sigmoid, weights]);
  }
  const chosen = forward.node("Mul", [o.output, hits]);
  const each = forward.node("Sub", [softplus, chosen]);
  const loss = forward.node("ReduceMean", [each], { keepdims: 0 });
  const excess = backward.node("Sub", [sigmoid, hits]);
  const factor = backward.node("Div", [o.scale, backward.count(o.output)]);
  return { loss, gradient: backward.node("Mul", [excess, factor]) };
}

/** A logarithm counts as at least this, as in PyTorch. */
const LOGARITHM_MIN = -100;
/** A variance of probabilities counts as at least this in the gradient, as in PyTorch. */
const VARIANCE_MIN = 1e-12;

/**
 * Binary cross entropy of probabilities, mean over all n elements, logarithms at least −100:
 *
 *   L = −Σ (t log y + (1 − t) log(1 − y)) / n,   dL/dy = (y − t) / max(y (1 − y), 10⁻¹²) / n
 */
export function binaryCrossEntropyOfProbabilities(o: LossTerms): LossValues {
  const { forward, backward } = o;
  const target = targetOf(o);
  const one = forward.float(1);
  const other = forward.node("Sub", [one, o.output]);
  const logarithm = (value: string) =>
    forward.node("Max", [forward.node("Log", [value]), forward.float(LOGARITHM_MIN)]);
  const [hit, miss] = [logarithm(o.output), logarithm(other)];
  // t a + (1 − t) b = t (a − b) + b
  const weighted = forward.node("Mul", [target, forward.node("Sub", [hit, miss])]);
  const each = forward.node("Add", [weighted, miss]);
  const mean = forward.node("ReduceMean", [each], { keepdims: 0 });
  const loss = forward.node("Neg", [mean]);
  const variance = backward.node("Mul", [o.output, other]);
  const divisor = backward.node("Max", [variance, backward.float(VARIANCE_MIN)]);
  const slope = backward.node("Div", [backward.node("Sub", [o.output, target]), divisor]);
  const factor = backward.node("Div", [o.scale, backward.count(o.output)]);
  return { loss, gradient: backward.node("Mul", [slope, factor]) };
}

/** Least probability whose logarithm is taken; t log t is 0 for smaller ones. */
const PROBABILITY_MIN = 1.1754943508222875e-38;

/**
 * Kullback-Leibler divergence of log-probabilities y from probabilities t, over n elements, or over
 * n samples with `batchmean`:
 *
 *   L = Σ t (log t − y) / n,   dL/dy = −t / n
 *
 * With `log_target` the labels are log t.
 */
export function divergence(
  o: LossTerms,
  { log_target, reduction }: { readonly log_target: boolean; readonly reduction: string },
): LossValues {
  const { forward, backward } = o;
  const labels = targetOf(o);
  const target = log_target ? forward.node("Exp", [labels]) : labels;
  const logarithm = log_target
    ? labels
    : forward.node("Log", [forward.node("Max", [labels, forward.float(PROBABILITY_MIN)])]);
  const each = forward.node("Mul", [target, forward.node("Sub", [logarithm, o.output])]);
  const sum = forward.node("ReduceSum", [each], { keepdims: 0 });
  let count = forward.count(o.output);
  if (reduction === "batchmean") {
    const perSample = o.dims.slice(1).reduce((size: number, dim) => size * sizeAt(dim, 1), 1);
    count = forward.node("Div", [count, forward.float(perSample)]);
  }
  const loss = forward.node("Div", [sum, count]);
  const factor = backward.node("Neg", [backward.node("Div", [o.scale, count])]);
  return { loss, gradient: backward.node("Mul", [target, factor]) };
}

/** The labels in the output's shape: as they are, or one-hot where they are class indices. */
function targetOf(o: LossTerms): string {
  return o.indexed ? oneHot(o, o.labels, [0, 1]) : o.labels;
}
