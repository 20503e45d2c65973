import { type Extent, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import type { Formulation } from "../formulation.ts";
import { area, type ConvShape, isPointwise } from "./conv_shape.ts";
import { slidingAttributes } from "./window.ts";

/**
 * The columns of im2col in one node: a grouped convolution whose filters each pick one element of the
 * kernel, so that the convolution kernel does the padding, strides and dilations. [N, C, H, W] becomes
 * [N, C k, OH, OW], the order of channels and kernel elements being that of the weight.
 */
function columns(call: Call, { channels, window }: ConvShape): string {
  const k = area(window.kernel);
  const picks = new Array<number>(channels * k * k).fill(0);
  for (let i = 0; i < channels * k; i++) picks[i * k + i % k] = 1;
  const filters = tensor(call.type, [channels * k, 1, ...window.kernel], picks);
  return call.emit.node("Conv", [call.input(0), call.emit.constant(filters)], {
    ...slidingAttributes(window),
    group: channels,
    kernel_shape: window.kernel,
  });
}

/** The result as a weight: [M, C/g, k]. */
function asWeight(call: Call, gradient: string): string {
  return call.emit.reshape(gradient, call.dims(call.input(1)));
}

/** A product for each sample, dy[n] col[n]ᵀ, summed afterwards. Good where maps are large. */
const bySample: Formulation = {
  name: "by-sample",
  applies: () => true,
  emit: (call, shape) => {
    const { emit, dy, type } = call;
    const { channels, filters, groups, window } = shape;
    const [samples] = call.dims(call.output());
    const positions = area(window.output);
    const stack = (rows: number): Extent[] =>
      groups === 1 ? [samples!, rows, positions] : [samples!, groups, rows / groups, positions];
    const col = emit.reshape(columns(call, shape), stack(channels * area(window.kernel)));
    const maps = emit.reshape(dy, stack(filters));
    const rank = groups === 1 ? 3 : 4;
    const o = { dtype: type, rankA: rank, rankB: rank, transB: true };
    return asWeight(call, emit.reduceSum(emit.matMul(maps, col, o), [0], false));
  },
};

/** [N, R, OH, OW] as a matrix [R, N P], or [g, R/g, N P] for groups. */
function rowsOverBatch(call: Call, value: string, rows: number, shape: ConvShape): string {
  const { emit } = call;
  const spatial = shape.window.output.map((_, i) => i + 2);
  const turned = emit.transpose(value, [1, 0, ...spatial]);
  const { groups } = shape;
  return emit.reshape(turned, groups === 1 ? [rows, -1] : [groups, rows / groups, -1]);
}

/** One product over all samples and positions, dy colᵀ, of transposed copies. */
const overBatch: Formulation = {
  name: "over-batch",
  applies: () => true,
  emit: (call, shape) => {
    const { channels, filters, groups, window } = shape;
    const col = rowsOverBatch(call, columns(call, shape), channels * area(window.kernel), shape);
    const maps = rowsOverBatch(call, call.dy, filters, shape);
    const rank = groups === 1 ? 2 : 3;
    const o = { dtype: call.type, rankA: rank, rankB: rank, transB: true };
    return asWeight(call, call.emit.matMul(maps, col, o));
  },
};

/** A kernel of one element needs no columns: Σ dy[n] x[n]ᵀ. */
const pointwise: Formulation = {
  name: "pointwise",
  applies: (shape) => isPointwise(shape) && shape.groups === 1,
  emit: (call, { channels, filters, window }) => {
    const { emit, dy, type } = call;
    const [samples] = call.dims(call.output());
    const positions = area(window.output);
    const x = emit.reshape(call.input(0), [samples!, channels, positions]);
    const maps = emit.reshape(dy, [samples!, filters, positions]);
    const o = { dtype: type, rankA: 3, rankB: 3, transB: true };
    return asWeight(call, emit.reduceSum(emit.matMul(maps, x, o), [0], false));
  },
};

/** The ways to write the gradient of a convolution's weight. */
export const weightFormulations: readonly Formulation[] = [pointwise, bySample, overBatch];

/** The way that is used unless something else was measured. */
export function preferredWeight(shape: ConvShape): Formulation {
  if (pointwise.applies(shape)) return pointwise;
  return bySample;
}
