import { type Extent, type Fact, tensor } from "../../onnx/mod.ts";
import type { Call, Columns } from "../call.ts";
import type { Formulation } from "../formulation.ts";
import { channelsLast, gatheredColumns, type Place, positions } from "./conv_rows.ts";
import { area, type ConvShape, isPointwise } from "./conv_shape.ts";
import type { Window } from "./window.ts";

/** Rows of fewer channels are not worth copying one by one. */
const GATHERED_CHANNELS_MIN = 16;

/** Maps of up to so many positions are gathered by rows. */
const GATHERED_MAP_MAX = 64;

/** The result as a weight: [M, C/g, k]. */
function asWeight(call: Call, gradient: string): string {
  return call.emit.reshape(gradient, call.dims(call.input(1)));
}

/** A gradient [M, k C] as a weight [M, C, k]; transposing matrices is what ONNX Runtime does fast. */
function fromChannelsLast(call: Call, gradient: string, shape: ConvShape): string {
  const { filters, channels, window } = shape;
  const stack = call.emit.reshape(gradient, [filters, area(window.kernel), channels]);
  return asWeight(call, call.emit.transpose(stack, [0, 2, 1]));
}

/**
 * Σ over samples of a[n] b[n]ᵀ for stacks [N, rows, positions]. The shorter factor is the second: it
 * is the one that has to be packed.
 */
function summedProduct(call: Call, a: string, b: string, rank: number): string {
  const o = { dtype: call.type, rankA: rank, rankB: rank, transB: true };
  return call.emit.reduceSum(call.emit.matMul(a, b, o), [0], false);
}

/**
 * The columns of im2col in one node: a grouped convolution whose filters each pick one element of the
 * kernel, so that the convolution kernel does the padding, strides and dilations. [N, C, H, W] becomes
 * [N, C k, OH, OW], the order of channels and kernel elements being that of the weight, and then a
 * stack of matrices.
 */
function pickedColumns(call: Call, { channels, groups, window }: ConvShape): Columns {
  const { emit, type: dtype } = call;
  const k = area(window.kernel);
  const picks = new Array<number>(channels * k * k).fill(0);
  for (let i = 0; i < channels * k; i++) picks[i * k + i % k] = 1;
  // Of two dimensions and one channel, ONNX Runtime would choose a blocked layout, which it then has
  // to undo; a third dimension of size 1 keeps it from that.
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
  const stack = stackDims(samples!, channels * k, groups, window);
  const value = emit.reshape(maps, stack);
  const facts = new Map<string, Fact>([
    [given, { dtype, dims: lifted }],
    [maps, { dtype, dims: [samples!, channels * k, ...lead, ...window.output] }],
    [value, { dtype, dims: stack }],
  ]);
  if (!lift) facts.delete(x);
  return { value, facts };
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
  emit: (call, shape) => {
    const { emit, dy } = call;
    const { filters, groups, window } = shape;
    const [samples] = call.dims(call.output());
    const columns = pickedColumns(call, shape);
    if (groups === 1) call.around.columns.set(call.node.name, columns);
    const maps = emit.reshape(dy, stackDims(samples!, filters, groups, window));
    const rank = groups === 1 ? 3 : 4;
    const rows = shape.channels * area(window.kernel);
    if (rows <= filters || filters === groups) {
      return asWeight(call, summedProduct(call, maps, columns.value, rank));
    }
    const turned = summedProduct(call, columns.value, maps, rank);
    return asWeight(call, emit.transpose(turned, groups === 1 ? [1, 0] : [0, 2, 1]));
  },
};

/** A kernel of one element needs no columns: Σ dy[n] x[n]ᵀ. */
const pointwise: Formulation = {
  name: "pointwise",
  applies: (shape) => isPointwise(shape) && shape.groups === 1,
  emit: (call, { channels, filters, window }) => {
    const { emit, dy } = call;
    const [samples] = call.dims(call.output());
    const positions = area(window.output);
    const x = emit.reshape(call.input(0), [samples!, channels, positions]);
    const maps = emit.reshape(dy, [samples!, filters, positions]);
    return asWeight(call, summedProduct(call, maps, x, 3));
  },
};

/** For each output position, the place that each kernel element meets. */
function inputsRead({ input, output, kernel, strides, dilations, begins }: Window): Place[][] {
  const taps = positions(kernel);
  return positions(output).map((at) =>
    taps.map((tap) => {
      const place = at.map((o, i) => o * strides[i]! + tap[i]! * dilations[i]! - begins[i]!);
      return place.every((x, i) => x >= 0 && x < input[i]!) ? place : undefined;
    })
  );
}

/** One product over all samples and positions: dyᵀ times columns of x, gathered by rows. */
const gathered: Formulation = {
  name: "gathered",
  applies: ({ groups }) => groups === 1,
  emit: (call, shape) => {
    const { emit, dy, type } = call;
    const { filters, window } = shape;
    const columns = gatheredColumns(
      call,
      call.input(0),
      call.dims(call.input(0)),
      inputsRead(window),
    );
    const maps = emit.reshape(channelsLast(call, dy, call.dims(call.output()), false), [
      -1,
      filters,
    ]);
    const product = emit.matMul(maps, columns, { dtype: type, rankA: 2, rankB: 2, transA: true });
    return fromChannelsLast(call, product, shape);
  },
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
    const maps = emit.reshape(dy, [samples!, filters, size]);
    const products = Array.from({ length: kernel[0]! }, (_, k) => {
      const rows = shifted(call, x, 2, k * dilations[0]!, output[0]!);
      const columns = emit.reshape(rows, [samples!, stacked, size]);
      const o = { dtype: call.type, rankA: 3, rankB: 3, transB: true };
      return emit.matMul(columns, maps, o);
    });
    const sum = emit.reduceSum(emit.concat(products, 1), [0], false);
    // The axis that was stacked last is the slowest: [k0, k1, .., C, M].
    return fromChannelsLast(call, emit.transpose(sum, [1, 0]), shape);
  },
};

/** The ways to write the gradient of a convolution's weight. */
export const weightFormulations: readonly Formulation[] = [pointwise, gathered, tapped, picked];

/**
 * The way that is used unless something else was measured. `tapped` does the least work on middling
 * maps, but its copies are made by one thread; `picked` does more and shares it out.
 */
export function preferredWeight(shape: ConvShape, threads: number): Formulation {
  const { channels, groups, window } = shape;
  if (pointwise.applies(shape)) return pointwise;
  const small = area(window.output) <= GATHERED_MAP_MAX;
  if (groups === 1 && channels >= GATHERED_CHANNELS_MIN && small) return gathered;
  return threads === 1 && channels > 1 && tapped.applies(shape) ? tapped : picked;
}
