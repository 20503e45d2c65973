import { sizeAt } from "../onnx/mod.ts";
import { oneHot } from "./loss_labels.ts";
import type { LossTerms, LossValues } from "./loss_terms.ts";

/** Options of the class losses. */
interface ClassOptions {
  readonly label_smoothing?: number;
  readonly ignore_index?: number | undefined;
}

/** From this many classes on, writing at one index a row beats a one-hot matrix. */
const SCATTER_CLASSES_MIN = 1024;
/** First opset in which ScatterElements adds. */
const SCATTER_ADD_OPSET = 16;

/**
 * Cross entropy of logits y with class labels, mean over the n samples that count:
 *
 *   ℓ = log softmax(y),   L = −Σ t ℓ / n,   dL/dy = (softmax(y) Σ_c t − t) / n
 *
 * t is the one-hot form of an index, or the given probabilities; with label smoothing ε it becomes
 * (1 − ε) t + ε / classes (C. Szegedy et al., "Rethinking the Inception architecture", 2016).
 */
export function crossEntropy(o: LossTerms, options: ClassOptions): LossValues {
  const logarithms = o.forward.node("LogSoftmax", [o.output], { axis: o.axis });
  return fromLogarithms(o, logarithms, options, true);
}

/**
 * Negative log likelihood of log-probabilities ℓ, mean over the n samples that count:
 *
 *   L = −Σ t ℓ / n,   dL/dℓ = −t / n
 */
export function nll(o: LossTerms, options: ClassOptions): LossValues {
  return fromLogarithms(o, o.output, options, false);
}

function fromLogarithms(
  o: LossTerms,
  logarithms: string,
  options: ClassOptions,
  logits: boolean,
): LossValues {
  const { label_smoothing: smoothing = 0, ignore_index: ignored } = options;
  if (!o.indexed) return withProbabilities(o, logarithms, smoothing, logits);
  const many = sizeAt(o.dims[o.axis]!, 1) >= SCATTER_CLASSES_MIN;
  if (many && smoothing === 0 && o.opset >= SCATTER_ADD_OPSET) {
    return withScatter(o, logarithms, ignored, logits);
  }
  return withOneHot(o, logarithms, smoothing, ignored, logits);
}

/** Softmax of the output, from its logarithm. */
function softmax(o: LossTerms, logarithms: string): string {
  return o.backward.node("Exp", [logarithms]);
}

interface Indices {
  /** Class indices, all of them valid. */
  readonly indices: string;
  /** Number of samples that count, float32 scalar. */
  readonly count: string;
  /** 1 for samples that count, else 0, with a class axis of 1; undefined where all do. */
  readonly counted?: string;
}

/** Takes the samples to be ignored out of the class indices. */
function validIndices(o: LossTerms, ignored: number | undefined): Indices {
  const { forward, labels } = o;
  if (ignored === undefined) return { indices: labels, count: forward.count(labels) };
  const isIgnored = forward.node("Equal", [labels, forward.integer(ignored)]);
  const weights = forward.node("Where", [isIgnored, forward.float(0), forward.float(1)]);
  return {
    indices: forward.node("Where", [isIgnored, forward.integer(0), labels]),
    count: forward.node("ReduceSum", [weights], { keepdims: 0 }),
    counted: forward.node("Unsqueeze", [weights, forward.integers([o.axis])]),
  };
}

/** Few classes: −t as a matrix. */
function withOneHot(
  o: LossTerms,
  logarithms: string,
  smoothing: number,
  ignored: number | undefined,
  logits: boolean,
): LossValues {
  const { forward, backward } = o;
  const { indices, count, counted } = validIndices(o, ignored);
  const spread = smoothing / sizeAt(o.dims[o.axis]!, 1);
  let negative = oneHot(o, indices, [-spread, smoothing - 1 - spread]);
  if (counted !== undefined) negative = forward.node("Mul", [negative, counted]);
  const each = forward.node("Mul", [logarithms, negative]);
  const sum = forward.node("ReduceSum", [each], { keepdims: 0 });
  const loss = forward.node("Div", [sum, count]);

  const factor = backward.node("Div", [o.scale, count]);
  if (!logits) return { loss, gradient: backward.node("Mul", [negative, factor]) };
  let likely = softmax(o, logarithms);
  if (counted !== undefined) likely = backward.node("Mul", [likely, counted]);
  const excess = backward.node("Add", [likely, negative]);
  return { loss, gradient: backward.node("Mul", [excess, factor]) };
}

/** Many classes: the logarithm is read, and the gradient written, at the index alone. */
function withScatter(
  o: LossTerms,
  logarithms: string,
  ignored: number | undefined,
  logits: boolean,
): LossValues {
  const { forward, backward, axis } = o;
  const { indices, count, counted } = validIndices(o, ignored);
  const places = forward.node("Unsqueeze", [indices, forward.integers([axis])]);
  let chosen = forward.node("GatherElements", [logarithms, places], { axis });
  if (counted !== undefined) chosen = forward.node("Mul", [chosen, counted]);
  const sum = forward.node("ReduceSum", [chosen], { keepdims: 0 });
  const loss = forward.node("Neg", [forward.node("Div", [sum, count])]);

  // The weight of each sample: scale / n, or 0 where it does not count.
  const factor = backward.node("Div", [o.scale, count]);
  const weights = counted === undefined
    ? backward.node("Expand", [factor, backward.node("Shape", [places])])
    : backward.node("Mul", [counted, factor]);
  const likely = logits
    ? backward.node("Mul", [softmax(o, logarithms), weights])
    : backward.node("ConstantOfShape", [backward.node("Shape", [logarithms])]);
  const negative = backward.node("Neg", [weights]);
  const gradient = backward.node(
    "ScatterElements",
    [likely, places, negative],
    { axis, reduction: "add" },
  );
  return { loss, gradient };
}

/** Labels that are a distribution over the classes, or weights: they need not sum to 1. */
function withProbabilities(
  o: LossTerms,
  logarithms: string,
  smoothing: number,
  logits: boolean,
): LossValues {
  const { forward, backward } = o;
  const classes = sizeAt(o.dims[o.axis]!, 1);
  let target = o.labels;
  if (smoothing !== 0) {
    const kept = forward.node("Mul", [target, forward.float(1 - smoothing)]);
    target = forward.node("Add", [kept, forward.float(smoothing / classes)]);
  }
  // The mean over all elements is 1/classes of the mean over samples.
  const each = forward.node("Mul", [logarithms, target]);
  const mean = forward.node("ReduceMean", [each], { keepdims: 0 });
  const loss = forward.node("Mul", [mean, forward.float(-classes)]);

  if (!logits) {
    const perElement = backward.node("Div", [o.scale, backward.count(target)]);
    const factor = backward.node("Mul", [perElement, backward.float(-classes)]);
    return { loss, gradient: backward.node("Mul", [target, factor]) };
  }
  const totals = backward.node(
    "ReduceSum",
    [target, backward.integers([o.axis])],
    { keepdims: 1 },
  );
  const likely = backward.node("Mul", [softmax(o, logarithms), totals]);
  const excess = backward.node("Sub", [likely, target]);
  const factor = backward.node("Div", [o.scale, backward.count(totals)]);
  return { loss, gradient: backward.node("Mul", [excess, factor]) };
}
