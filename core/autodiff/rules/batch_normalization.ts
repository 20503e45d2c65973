import { floatOf, intOf, tensor } from "../../onnx/mod.ts";
import { elementsPerChannel } from "../batch_statistics.ts";
import type { Call } from "../call.ts";
import { float } from "../emit.ts";
import { rule, type RuleEntry } from "../rule.ts";

/**
 * Per channel: scale (x − mean) / √(variance + ε) + bias, by the inference form of the operator.
 */
function affine(
  call: Call,
  x: string,
  o: { scale: string; bias: string; mean: string; variance: string },
): string {
  const epsilon = float(floatOf(call.node, "epsilon", 1e-5));
  return call.emit.node("BatchNormalization", [x, o.scale, o.bias, o.mean, o.variance], {
    epsilon,
  });
}

/** The statistics with which a node normalised: those of the batch, or the stored ones. */
function statisticsOf(call: Call): { mean: string; variance: string; training: boolean } {
  const training = intOf(call.node, "training_mode", 0) === 1;
  if (training && floatOf(call.node, "momentum", 0.9) !== 0) {
    call.refuse("put the graph in training form first");
  }
  return training
    ? { mean: call.output(1), variance: call.output(2), training }
    : { mean: call.input(3), variance: call.input(4), training };
}

/** One number a channel, the same for all. */
function channels(call: Call, value: number): string {
  const count = call.dims(call.input(0))[1];
  if (typeof count !== "number") call.refuse("the number of channels follows the batch");
  return call.emit.constant(tensor(call.type, [count], new Array<number>(count).fill(value)));
}

/** x̂ = (x − mean) / √(variance + ε). */
function normalised(call: Call): string {
  const { mean, variance } = statisticsOf(call);
  const [scale, bias] = [channels(call, 1), channels(call, 0)];
  return affine(call, call.input(0), { scale, bias, mean, variance });
}

/** All axes but that of the channels. */
function otherAxes(call: Call): number[] {
  return call.dims(call.input(0)).flatMap((_, axis) => axis === 1 ? [] : [axis]);
}

/** Number of elements of a channel, as a float of one element. */
function count(call: Call): string {
  const { emit, type } = call;
  const elements = elementsPerChannel(call.dims(call.input(0)));
  if (typeof elements === "number") return emit.scalar(type, elements);
  return emit.cast(emit.extent(elements.perSample, call.references(call.input(0))), type);
}

/** Means over the batch of dy and of dy x̂: dbias and dscale divided by the count. */
function means(call: Call): { bias: string; scale: string } {
  const { dy, emit } = call;
  const axes = otherAxes(call);
  return {
    bias: emit.reduceMean(dy, axes, false),
    scale: emit.reduceMean(emit.mul(dy, normalised(call)), axes, false),
  };
}

/** dx of the training form; the inner term is one more affine map of x. */
function dataGradient(call: Call): string {
  const { dy, emit } = call;
  const { mean, variance, training } = statisticsOf(call);
  const zero = channels(call, 0);
  const outer = (value: string) =>
    affine(call, value, { scale: call.input(1), bias: zero, mean: zero, variance });
  if (!training) return outer(dy);
  const inner = affine(call, call.input(0), { ...means(call), mean, variance });
  return outer(emit.sub(dy, inner));
}

/**
 * y = scale x̂ + bias with x̂ = (x − mean) / √(variance + ε) per channel (Ioffe and Szegedy 2015):
 *
 * ```text
 * dbias = Σ dy        dscale = Σ dy x̂
 * dx    = scale / √(variance + ε) · (dy − dbias/n − x̂ dscale/n)
 * ```
 *
 * with n elements a channel. With stored statistics instead of the batch's the last two terms fall
 * away. In the graph, mean and variance of the batch are outputs 1 and 2, as `trainingForm` makes
 * it.
 */
export const batchNormalization: RuleEntry = [
  rule((call) => {
    const { dy, emit, outputGradients } = call;
    if (outputGradients.slice(1).some((gradient) => gradient !== undefined)) {
      call.refuse("its statistics carry no gradient");
    }
    if (intOf(call.node, "spatial", 1) === 0) call.refuse("statistics per element (spatial = 0)");
    const { training } = statisticsOf(call);
    const total = (product: string) => emit.reduceSum(product, otherAxes(call), false);
    return [
      () => dataGradient(call),
      () =>
        training ? emit.mul(means(call).scale, count(call)) : total(emit.mul(dy, normalised(call))),
      () => training ? emit.mul(means(call).bias, count(call)) : total(dy),
      undefined,
      undefined,
    ];
  }, { since: 7 }),
];
