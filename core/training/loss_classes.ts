import { sizeAt } from "../onnx/mod.ts";
import { oneHot } from "./loss_labels.ts";
import type { LossTerms, LossValues } from "./loss_terms.ts";

/** Options of the class losses. */
interface ClassOptions {
  readonly label_smoothing?: number;
  readonly ignore_index?: number | undefined;
  readonly weights?: readonly number[] | undefined;
}

/** From this many classes on, writing at one index a row beats a one-hot matrix. */
const SCATTER_CLASSES_MIN = 1024;
/** First opset in which ScatterElements adds. */
const SCATTER_ADD_OPSET = 16;
/** In the place of a count of 0: with nothing that counts, loss and gradient are 0, and no NaN. */
const COUNT_MIN = 1e-30;

/**
 * Cross entropy of logits y with class labels, mean over what counts:
 *
 *   ℓ = log softmax(y),   L = −Σ w t ℓ / n,   dL/dy = (softmax(y) Σ_c w t − w t) / n
 *
 * t is the one-hot form of an index, or the given probabilities; with label smoothing ε it becomes
 * (1 − ε) t + ε / classes (C. Szegedy et al., "Rethinking the Inception architecture", 2016). w are
 * the classes' weights, 1 by default; n is the sum of the weights of all labels that are not
 * ignored, or the number of samples where labels are probabilities.
 */
export function crossEntropy(o: LossTerms, options: ClassOptions): LossValues {
  const logarithms = o.forward.node("LogSoftmax", [o.output], { axis: o.axis });
  return fromLogarithms(o, logarithms, options, true);
}

/**
 * Negative log likelihood of log-probabilities ℓ, mean over what counts as in {@link crossEntropy}:
 *
 *   L = −Σ w t ℓ / n,   dL/dℓ = −w t / n
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
  const { label_smoothing: smoothing = 0 } = options;
  if (!o.indexed) return withProbabilities(o, logarithms, options, logits);
  const many = sizeAt(o.dims[o.axis]!, 1) >= SCATTER_CLASSES_MIN;
  if (many && smoothing === 0 && o.opset >= SCATTER_ADD_OPSET) {
    return withScatter(o, logarithms, options, logits);
  }
  return withOneHot(o, logarithms, options, logits);
}

/** The classes' weights, in the shape of an output whose other axes have length 1. */
function alongClasses(o: LossTerms, weights: readonly number[]): string {
  const dims = o.dims.map((_, axis) => axis === o.axis ? weights.length : 1);
  return o.forward.tensor(dims, weights);
}

/** Softmax of the output, from its logarithm. */
function softmax(o: LossTerms, logarithms: string): string {
  return o.backward.node("Exp", [logarithms]);
}

interface Indices {
  /** Class indices, all of them valid. */
  readonly indices: string;
  /** What the loss is divided by, float32 scalar: n. */
  readonly count: string;
  /** 0 for places to be ignored, else 1, with a class axis of 1; undefined where all count. */
  readonly counted?: string;
  /** The same times the weight of the label's class; undefined where all are 1. */
  readonly weighted?: string;
}

/** Takes the places to be ignored out of the class indices, and finds what each place counts. */
function validIndices(
  { forward, labels, axis }: LossTerms,
  { ignore_index: ignored, weights }: ClassOptions,
): Indices {
  if (ignored === undefined && weights === undefined) {
    return { indices: labels, count: forward.count(labels) };
  }
  let [indices, counts] = [labels, undefined as string | undefined];
  if (ignored !== undefined) {
    const isIgnored = forward.node("Equal", [labels, forward.integer(ignored)]);
    counts = forward.node("Where", [isIgnored, forward.float(0), forward.float(1)]);
    indices = forward.node("Where", [isIgnored, forward.integer(0), labels]);
  }
  const withClassAxis = (values: string) =>
    forward.node("Unsqueeze", [values, forward.integers([axis])]);
  const counted = counts === undefined ? {} : { counted: withClassAxis(counts) };
  if (weights !== undefined) {
    const own = forward.node("Gather", [forward.floats(weights), indices], { axis: 0 });
    counts = counts === undefined ? own : forward.node("Mul", [own, counts]);
  }
  const sum = forward.node("ReduceSum", [counts!], { keepdims: 0 });
  return {
    indices,
    count: forward.node("Max", [sum, forward.float(COUNT_MIN)]),
    ...counted,
    weighted: weights === undefined ? counted.counted! : withClassAxis(counts!),
  };
}

/** Few classes: −w t as a matrix. */
function withOneHot(
  o: LossTerms,
  logarithms: string,
  options: ClassOptions,
  logits: boolean,
): LossValues {
  const { forward, backward } = o;
  const { label_smoothing: smoothing = 0, weights } = options;
  const { indices, count, counted, weighted } = validIndices(o, options);
  const spread = smoothing / sizeAt(o.dims[o.axis]!, 1);
  let negative = oneHot(o, indices, [-spread, smoothing - 1 - spread]);
  // With smoothing every class has a part in every place, and its own weight there.
  const byClass = smoothing !== 0 && weights !== undefined;
  if (byClass) negative = forward.node("Mul", [negative, alongClasses(o, weights)]);
  const factors = byClass ? counted : weighted;
  if (factors !== undefined) negative = forward.node("Mul", [negative, factors]);
  const each = forward.node("Mul", [logarithms, negative]);
  const sum = forward.node("ReduceSum", [each], { keepdims: 0 });
  const loss = forward.node("Div", [sum, count]);

  const factor = backward.node("Div", [o.scale, count]);
  if (!logits) return { loss, gradient: backward.node("Mul", [negative, factor]) };
  let likely = softmax(o, logarithms);
  if (byClass) {
    const totals = backward.node("ReduceSum", [negative, backward.integers([o.axis])]);
    likely = backward.node("Mul", [likely, backward.node("Neg", [totals])]);
  } else if (weighted !== undefined) {
    likely = backward.node("Mul", [likely, weighted]);
  }
  const excess = backward.node("Add", [likely, negative]);
  return { loss, gradient: backward.node("Mul", [excess, factor]) };
}

/** Many classes: the logarithm is read, and the gradient written, at the index alone. */
function withScatter(
  o: LossTerms,
  logarithms: string,
  options: ClassOptions,
  logits: boolean,
): LossValues {
  const { forward, backward, axis } = o;
  const { indices, count, weighted } = validIndices(o, options);
  const places = forward.node("Unsqueeze", [indices, forward.integers([axis])]);
  let chosen = forward.node("GatherElements", [logarithms, places], { axis });
  if (weighted !== undefined) chosen = forward.node("Mul", [chosen, weighted]);
  const sum = forward.node("ReduceSum", [chosen], { keepdims: 0 });
  const loss = forward.node("Neg", [forward.node("Div", [sum, count])]);

  // The weight of each sample: scale / n, or 0 where it does not count.
  const factor = backward.node("Div", [o.scale, count]);
  const weights = weighted === undefined
    ? backward.node("Expand", [factor, backward.node("Shape", [places])])
    : backward.node("Mul", [weighted, factor]);
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
  { label_smoothing: smoothing = 0, weights }: ClassOptions,
  logits: boolean,
): LossValues {
  const { forward, backward } = o;
  const classes = sizeAt(o.dims[o.axis]!, 1);
  let target = o.labels;
  if (smoothing !== 0) {
    const kept = forward.node("Mul", [target, forward.float(1 - smoothing)]);
    target = forward.node("Add", [kept, forward.float(smoothing / classes)]);
  }
  if (weights !== undefined) target = forward.node("Mul", [target, alongClasses(o, weights)]);
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
