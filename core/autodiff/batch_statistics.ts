import { RavnError } from "../error.ts";
import { elementCount, type Extent, floatOf, intOf, type Node, tensor } from "../onnx/mod.ts";
import { decimal } from "./decimal.ts";
import { float } from "./emit.ts";
import type { TrainingForm } from "./training_form.ts";

/**
 * A running statistic and the value of the batch that updates it after every step, as in PyTorch:
 *
 * ```text
 * running ← (1 − momentum) running + momentum batch            mean
 * running ← (1 − momentum) running + momentum batch n/(n − 1)  variance
 * ```
 *
 * The graph's variance is that of the population (divided by n); the running one is to be unbiased.
 */
export interface Statistic {
  /** Name of the initializer that holds the running value. */
  readonly running: string;
  /** Name of the value of the graph that holds the batch's. */
  readonly batch: string;
  readonly kind: "mean" | "variance";
  /** Weight of the new value. */
  readonly momentum: number;
  /** n: the elements over which a statistic is taken. */
  readonly count: Extent;
}

/** ONNX's default weight of the old value. */
const DEFAULT_MOMENTUM = 0.9;

/** ONNX Runtime's kernel has a cost for each map of each sample, which on smaller maps prevails. */
const SMALL_MAP = 16;

/** First opset whose BatchNormalization has a training form with batch statistics. */
const TRAINING_MODE_OPSET = 14;

/** Makes a value that no model has as a whole tensor. */
const UNUSUAL = 0.1234567;

/** Number of elements a channel has in [N, C, ...]; at most one dimension follows the batch. */
export function elementsPerChannel(dims: readonly Extent[]): Extent {
  const others = dims.filter((_, axis) => axis !== 1);
  const symbolic = others.find((extent) => typeof extent !== "number");
  const size = others.reduce<number>(
    (product, extent) => product * (typeof extent === "number" ? extent : extent.perSample),
    1,
  );
  return symbolic === undefined ? size : { perSample: size };
}

/** Adds a BatchNormalization that normalises by the statistics of the batch and gives them out. */
export function trainingBatchNormalization(form: TrainingForm, node: Node): void {
  const refuse = (why: string) => {
    throw new RavnError(`cannot train with node "${node.name}" (BatchNormalization): ${why}`);
  };
  const [x = "", , , runningMean = "", runningVariance = ""] = node.inputs;
  for (const running of [runningMean, runningVariance]) {
    if (!form.graph.initializers.has(running)) refuse(`"${running}" must be an initializer`);
  }
  const read = node.outputs.slice(1).find((output) => form.isRead(output));
  if (read !== undefined) refuse(`its output "${read}" is read, which training replaces`);
  if (intOf(node, "spatial", 1) === 0) refuse("statistics per element (spatial = 0)");
  const { dtype, dims } = form.fact(x);
  const statistic = { dtype, dims: [dims[1]!] };
  const mean = form.note(form.emit.fresh(`mean.${node.name}`), statistic);
  const variance = form.note(form.emit.fresh(`variance.${node.name}`), statistic);
  if (form.opset < TRAINING_MODE_OPSET) composed(form, node, mean, variance);
  else if (elementCount(dims.slice(2).map(Number)) < SMALL_MAP) turned(form, node, mean, variance);
  else form.push(fused(form, node, mean, variance));
  const momentum = 1 - decimal(floatOf(node, "momentum", DEFAULT_MOMENTUM));
  const count = elementsPerChannel(dims);
  form.statistics.push(
    { running: runningMean, batch: mean, kind: "mean", momentum, count },
    { running: runningVariance, batch: variance, kind: "variance", momentum, count },
  );
}

/**
 * With momentum 0 the operator's "running" outputs are the statistics of the batch, whatever is put
 * in. But ONNX Runtime writes those outputs over what was put in, even over initializers, and
 * merges initializers that are equal: a tensor of zeros would lose its value for every other
 * reader, and two nodes would share one statistic, silently. So each node gets two tensors whose
 * values occur nowhere else.
 */
function fused(
  form: TrainingForm,
  node: Node,
  mean: string,
  variance: string,
  x: string = node.inputs[0]!,
): Node {
  const [, scale = "", bias = ""] = node.inputs;
  const { dtype, dims: [size] } = form.fact(scale);
  const overwritten = (k: number) => {
    const value = -(UNUSUAL + form.statistics.length + k);
    const values = new Array<number>(Number(size)).fill(value);
    return form.emit.constant(tensor(dtype, [Number(size)], values), "overwritten");
  };
  return {
    ...node,
    inputs: [x, scale, bias, overwritten(0), overwritten(1)],
    outputs: [node.outputs[0]!, mean, variance],
    attributes: {
      epsilon: float(floatOf(node, "epsilon", 1e-5)),
      momentum: float(0),
      training_mode: { type: "int", value: 1 },
    },
  };
}

/**
 * The same with all elements of a channel side by side, [N, C, H, W] turned to [1, C, N H W], which
 * leaves the statistics what they are and makes small maps one large one.
 */
function turned(form: TrainingForm, node: Node, mean: string, variance: string): void {
  const { emit } = form;
  const [x = ""] = node.inputs;
  const { dtype, dims } = form.fact(x);
  const [samples, channels, ...map] = dims;
  const perm = dims.map((_, axis) => axis < 2 ? 1 - axis : axis);
  const turnedDims = [channels!, samples!, ...map];
  const flatDims = [1, channels!, elementsPerChannel(dims)];
  emit.enter(node.name);
  const inner = form.note(emit.transpose(x, perm), { dtype, dims: turnedDims });
  const flat = form.note(emit.reshape(inner, flatDims), { dtype, dims: flatDims });
  const made = form.note(emit.fresh("flat"), { dtype, dims: flatDims });
  const back = form.note(emit.fresh("turned"), { dtype, dims: turnedDims });
  const shape = emit.ints(turnedDims.map((extent) => typeof extent === "number" ? extent : -1));
  emit.enter("");
  form.push({ ...fused(form, node, mean, variance, flat), outputs: [made, mean, variance] });
  const plain = { domain: "", attributes: {} };
  form.push({ ...plain, name: back, op: "Reshape", inputs: [made, shape], outputs: [back] });
  form.push({
    ...plain,
    name: `${back}.back`,
    op: "Transpose",
    inputs: [back],
    outputs: [node.outputs[0]!],
    attributes: { perm: { type: "ints", value: perm } },
  });
}

/** Before opset 14: the same in elementary operators. */
function composed(form: TrainingForm, node: Node, meanName: string, varianceName: string): void {
  const { emit } = form;
  const [x = "", scale = "", bias = ""] = node.inputs;
  const { dtype, dims } = form.fact(x);
  const axes = dims.flatMap((_, axis) => axis === 1 ? [] : [axis]);
  const column = dims.map((extent, axis) => axis === 1 ? extent : 1);
  const whole = (name: string) => form.note(name, { dtype, dims });
  const small = (name: string) => form.note(name, { dtype, dims: column });
  emit.enter(node.name);
  const mean = small(emit.reduceMean(x, axes, true));
  const centred = whole(emit.sub(x, mean));
  const variance = small(emit.reduceMean(whole(emit.mul(centred, centred)), axes, true));
  const epsilon = emit.scalar(dtype, floatOf(node, "epsilon", 1e-5));
  const deviation = small(emit.node("Sqrt", [small(emit.add(variance, epsilon))]));
  const factor = small(emit.div(small(emit.reshape(scale, column)), deviation));
  const scaled = whole(emit.mul(centred, factor));
  const shift = small(emit.reshape(bias, column));
  const size = emit.ints([-1]);
  emit.enter("");
  const plain = { domain: "", attributes: {} };
  form.push({ ...plain, name: meanName, op: "Reshape", inputs: [mean, size], outputs: [meanName] });
  form.push({
    ...plain,
    name: varianceName,
    op: "Reshape",
    inputs: [variance, size],
    outputs: [varianceName],
  });
  form.push({
    ...node,
    op: "Add",
    inputs: [scaled, shift],
    outputs: [node.outputs[0]!],
    attributes: {},
  });
}
