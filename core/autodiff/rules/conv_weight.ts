import { type Extent, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import type { Formulation } from "../formulation.ts";
import { bandedWeight } from "./conv_band.ts";
import { bandedGroupWeight, bandsByGroup } from "./conv_band_groups.ts";
import {
  bandedWork,
  correlatedWork,
  gatheredWork,
  joinedWork,
  pickedWork,
  samplesWork,
  stackWork,
  tappedWork,
  timeOf,
} from "./conv_cost.ts";
import { correlatedSamples, isCorrelated } from "./conv_correlated.ts";
import { correlatedWeight, isDepthwise } from "./conv_depthwise.ts";
import { channelsLast, indicesOf, inputsRead, takenRows } from "./conv_rows.ts";
import { area, type ConvShape, isPointwise } from "./conv_shape.ts";
import { bySlices } from "./conv_slices.ts";
import type { Window } from "./window.ts";

/** The result as a weight: [M, C/g, k]. */
function asWeight(call: Call, gradient: string): string {
  return call.emit.reshape(gradient, call.dims(call.input(1)));
}

/**
 * A gradient [M, k C] as a weight [M, C, k]; transposing matrices is what ONNX Runtime does fast.
 */
function fromChannelsLast(call: Call, gradient: string, shape: ConvShape): string {
  const { filters, channels, window } = shape;
  const stack = call.emit.reshape(gradient, [filters, area(window.kernel), channels]);
  return asWeight(call, call.emit.transpose(stack, [0, 2, 1]));
}

/** A stack of matrices [N, rows, positions], or [N, groups, rows, positions]. */
interface Stack {
  readonly name: string;
  readonly dims: readonly Extent[];
}

/**
 * Σ over samples of a[n] b[n]ᵀ for stacks of matrices. The shorter factor is the second: it is the
 * one that has to be packed.
 */
function summedProduct({ emit, type: dtype }: Call, a: Stack, b: Stack): string {
  const o = { dtype, rankA: a.dims.length, rankB: b.dims.length, transB: true };
  const dims = [...a.dims.slice(0, -1), b.dims.at(-2)!];
  return emit.sumOverLeading(emit.matMul(a.name, b.name, o), dims, 1, dtype);
}

/**
 * The columns of im2col in one node: a grouped convolution whose filters each pick one element of
 * the kernel, so that the convolution kernel does the padding, strides and dilations. [N, C, H, W]
 * becomes [N, C k, OH, OW], the order of channels and kernel elements being that of the weight, and
 * then a stack of matrices.
 */
function pickedColumns(call: Call, { channels, groups, window }: ConvShape): Stack {
  const { emit, type: dtype } = call;
  const k = area(window.kernel);
  const picks = new Array<number>(channels * k * k).fill(0);
  for (let i = 0; i < channels * k; i++) picks[i * k + i % k] = 1;
  // Of two dimensions and one channel, ONNX Runtime would choose a blocked layout, which it then
  // has to undo; a third dimension of size 1 keeps it from that.
  const lift = channels === 1 && window.kernel.length === 2;
  const lead = lift ? [1] : [];
  const still = lift ? [0] : [];
  const filters = tensor(dtype, [channels * k, 1, ...lead, ...window.kernel], picks);
  const [samples] = call.dims(call.input(0));
  const x = call.input(0);
  const lifted = [samples!, channels, ...lead, ...window.input];
  const given = lift ? emit.reshape(x, lifted) : x;
  const maps = emit.node("Conv", [given, emit.constant(filters)], {
    strides: [...lead, ...window.strides],
    dilations: [...lead, ...window.dilations],
    pads: [...still, ...window.begins, ...still, ...window.ends],
    group: channels,
    kernel_shape: [...lead, ...window.kernel],
  });
  return stackOf(call, maps, stackDims(samples!, channels * k, groups, window));
}

function stackOf({ emit }: Call, value: string, dims: readonly Extent[]): Stack {
  return { name: emit.reshape(value, dims), dims };
}

/** [N, rows, P], or [N, g, rows/g, P] where there are groups. */
function stackDims(samples: Extent, rows: number, groups: number, { output }: Window): Extent[] {
  const positions = area(output);
  return groups === 1 ? [samples, rows, positions] : [samples, groups, rows / groups, positions];
}

/** Works for every shape: a product for each sample, of dy and the columns of x. */
const picked: Formulation = {
  name: "picked",
  applies: () => true,
  cost: (shape, threads) => timeOf(pickedWork(shape), threads),
  emit: (call, shape) => {
    const { emit, dy } = call;
    const { filters, groups, window } = shape;
    const [samples] = call.dims(call.output());
    const columns = pickedColumns(call, shape);
    const maps = stackOf(call, dy, stackDims(samples!, filters, groups, window));
    const rows = shape.channels * area(window.kernel);
    if (rows <= filters || filters === groups) {
      return asWeight(call, summedProduct(call, maps, columns));
    }
    const turned = summedProduct(call, columns, maps);
    return asWeight(call, emit.transpose(turned, groups === 1 ? [1, 0] : [0, 2, 1]));
  },
};

/** x and dy of a pointwise convolution as [N, C, positions] and [N, M, positions]. */
function pointwiseStacks(call: Call, { channels, filters, window }: ConvShape): [Stack, Stack] {
  const [samples] = call.dims(call.output());
  const positions = area(window.output);
  return [
    stackOf(call, call.input(0), [samples!, channels, positions]),
    stackOf(call, call.dy, [samples!, filters, positions]),
  ];
}

/** A kernel of one element needs no columns: Σ dy[n] x[n]ᵀ. */
const pointwise: Formulation = {
  name: "pointwise",
  applies: (shape) => isPointwise(shape) && shape.groups === 1,
  cost: (shape, threads) => timeOf(stackWork(shape), threads),
  emit: (call, shape) => {
    const [x, maps] = pointwiseStacks(call, shape);
    return asWeight(call, summedProduct(call, maps, x));
  },
};

/** The same as one product of [M, N positions] and [C, N positions], with nothing to sum up. */
const joined: Formulation = {
  name: "joined",
  applies: pointwise.applies,
  cost: (shape, threads) => timeOf(joinedWork(shape), threads),
  emit: (call, shape) => {
    const { emit, type: dtype } = call;
    const [columns, rows] = pointwiseStacks(call, shape).map(({ name, dims }) =>
      emit.reshape(emit.transpose(name, [1, 0, 2]), [dims[1]!, -1])
    );
    const o = { dtype, rankA: 2, rankB: 2, transB: true };
    return asWeight(call, emit.matMul(rows!, columns!, o));
  },
};

/** One product over all samples and positions: dyᵀ times rows of channels of x, gathered. */
const gathered: Formulation = {
  name: "gathered",
  applies: ({ groups }) => groups === 1,
  cost: (shape, threads) =>
    timeOf(gatheredWork(shape, shape.channels, area(shape.window.output)), threads),
  emit: (call, shape) => {
    const { emit, dy, type } = call;
    const { filters, channels, window } = shape;
    const [taps, count] = [area(window.kernel), area(window.input)];
    const x = channelsLast(call, call.input(0), call.dims(call.input(0)), count);
    const places = indicesOf(inputsRead(window), window.input).flat();
    const columns = emit.reshape(takenRows(call, x, count, places), [-1, taps * channels]);
    const maps = channelsLast(call, dy, call.dims(call.output()), area(window.output));
    const rows = emit.reshape(maps, [-1, filters]);
    const o = { dtype: type, rankA: 2, rankB: 2, transA: true };
    return fromChannelsLast(call, emit.matMul(rows, columns, o), shape);
  },
};

/** One product over all samples and rows of maps; see `conv_band.ts`. */
const banded: Formulation = {
  name: "banded",
  applies: (shape) => shape.groups === 1 || bandsByGroup(shape),
  cost: (shape, threads) => timeOf(bandedWork(shape, "weight"), threads),
  emit: (call, shape) =>
    shape.groups === 1 ? bandedWeight(call, shape) : bandedGroupWeight(call, shape),
};

/** True where each tap of the kernel reads the input without gaps. */
function isDense({ window }: ConvShape): boolean {
  return area(window.strides) === 1;
}

/** The part of x, padded, that a tap at `offset` along the spatial axis `i` meets. */
function shifted(call: Call, x: string, axis: number, offset: number, size: number): string {
  return call.emit.slice(x, [offset], [offset + size], [axis]);
}

/**
 * Taps in two steps, for stride 1: copies of x shifted along all axes but the first are stacked as
 * channels; then, for each offset along the first axis, one product with dy. The columns of one
 * offset are still in the cache when they are multiplied.
 */
const tapped: Formulation = {
  name: "tapped",
  applies: (shape) => isDense(shape) && shape.groups === 1,
  cost: (shape, threads) => timeOf(tappedWork(shape), threads),
  emit: (call, shape) => {
    const { emit, dy } = call;
    const { channels, filters, window } = shape;
    const { kernel, dilations, begins, ends, output } = window;
    const [samples] = call.dims(call.output());
    const size = area(output);
    let x = emit.pad(call.input(0), [0, 0, ...begins], [0, 0, ...ends]);
    for (let i = kernel.length - 1; i > 0; i--) {
      const taps = Array.from({ length: kernel[i]! }, (_, k) => k * dilations[i]!);
      x = emit.concat(taps.map((offset) => shifted(call, x, i + 2, offset, output[i]!)), 1);
    }
    const stacked = channels * area(kernel.slice(1));
    const rows = stacked * kernel[0]!;
    const maps = emit.reshape(dy, [samples!, filters, size]);
    const products = Array.from({ length: kernel[0]! }, (_, k) => {
      const lines = shifted(call, x, 2, k * dilations[0]!, output[0]!);
      const columns = emit.reshape(lines, [samples!, stacked, size]);
      const o = { dtype: call.type, rankA: 3, rankB: 3, transB: true };
      return emit.matMul(columns, maps, o);
    });
    const all = emit.concat(products, 1);
    const sum = emit.sumOverLeading(all, [samples!, rows, filters], 1, call.type);
    // The axis that was stacked last is the slowest: [k0, k1, .., C, M].
    return fromChannelsLast(call, emit.transpose(sum, [1, 0]), shape);
  },
};

/** A depthwise convolution of x by dy; see `conv_depthwise.ts`. */
const correlated: Formulation = {
  name: "correlated",
  applies: isDepthwise,
  cost: (shape, threads) => timeOf(correlatedWork(shape), threads),
  emit: correlatedWeight,
};

/** A convolution of x by dy over the samples; see `conv_correlated.ts`. */
const overSamples: Formulation = {
  name: "samples",
  applies: (shape) => isCorrelated(shape) && !isDepthwise(shape),
  cost: (shape, threads) => timeOf(samplesWork(shape), threads),
  emit: correlatedSamples,
};

/** The ways to write the gradient of a convolution's weight. */
export const weightFormulations: readonly Formulation[] = [
  pointwise,
  joined,
  banded,
  gathered,
  tapped,
  picked,
  correlated,
  overSamples,
  ...[pointwise, joined, overSamples].flatMap((flat) => [
    bySlices("weight", "filters", flat),
    bySlices("weight", "channels", flat),
  ]),
];
