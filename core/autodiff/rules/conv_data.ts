import type { Call } from "../call.ts";
import type { Formulation } from "../formulation.ts";
import { bandedData } from "./conv_band.ts";
import {
  bandedWork,
  flippedWork,
  gatheredWork,
  stackWork,
  timeOf,
  transposedWork,
} from "./conv_cost.ts";
import { channelsFirst, channelsLast, indicesOf, outputsReading, takenRows } from "./conv_rows.ts";
import { area, type ConvShape, isPointwise, padsWithinReach } from "./conv_shape.ts";
import { bySlices } from "./conv_slices.ts";
import { leftOver, reach, slidingAttributes } from "./window.ts";

const BEYOND = 2 ** 53 - 1;

/** Works for every shape: the transposed convolution is the adjoint by definition. */
const transposed: Formulation = {
  name: "transposed",
  applies: () => true,
  cost: (shape, threads) => timeOf(transposedWork(shape), threads),
  emit: (call, { groups, window }) => {
    // ONNX splits a total padding into halves where the shape of the output is given, which tells
    // whoever rewrites the graph what it needs to know.
    const even = window.begins.every((pad, i) => pad === window.ends[i]);
    return call.emit.node("ConvTranspose", [call.dy, call.input(1)], {
      ...slidingAttributes(window),
      group: groups,
      kernel_shape: window.kernel,
      output_padding: leftOver(window),
      ...(even ? { output_shape: window.input } : {}),
    });
  },
};

/** W[M, C/g, k] with the kernel reversed and filters and channels exchanged: [C, M/g, k]. */
function flippedWeight(call: Call, { channels, filters, groups, window }: ConvShape): string {
  const { emit } = call;
  const { kernel } = window;
  const [perGroup, each] = [channels / groups, filters / groups];
  const w = call.input(1);
  const tail = kernel.map((_, i) => i);
  const exchanged = groups === 1
    ? emit.transpose(w, [1, 0, ...tail.map((i) => i + 2)])
    : emit.reshape(
      emit.transpose(emit.reshape(w, [groups, each, perGroup, ...kernel]), [
        0,
        2,
        1,
        ...tail.map((i) => i + 3),
      ]),
      [channels, each, ...kernel],
    );
  const axes = tail.filter((i) => kernel[i]! > 1).map((i) => i + 2);
  if (axes.length === 0) return exchanged;
  const minus = axes.map(() => -1);
  return emit.slice(exchanged, minus, axes.map(() => -BEYOND), axes, minus);
}

/** For stride 1: dx is a convolution of dy with the kernel reversed, padded by reach − 1 − pad. */
const flipped: Formulation = {
  name: "flipped",
  // Slice takes steps since then.
  since: 10,
  applies: (shape) => area(shape.window.strides) === 1 && padsWithinReach(shape),
  cost: (shape, threads) => timeOf(flippedWork(shape), threads),
  emit: (call, shape) => {
    const { window, groups } = shape;
    const covered = reach(window);
    const pads = [window.begins, window.ends].flatMap((side) =>
      side.map((n, i) => covered[i]! - 1 - n)
    );
    const attributes = { dilations: window.dilations, group: groups, kernel_shape: window.kernel };
    const weight = flippedWeight(call, shape);
    return call.emit.node("Conv", [call.dy, weight], { ...attributes, pads });
  },
};

/** A kernel of one element: dx[n] = Wᵀ dy[n] for matrices W[M, C] and dy[n] = [M, P]. */
const pointwise: Formulation = {
  name: "pointwise",
  applies: (shape) => isPointwise(shape) && shape.groups === 1,
  cost: (shape, threads) => timeOf(stackWork(shape), threads),
  emit: (call, { filters, channels, window }) => {
    const { emit, dy, type } = call;
    const [samples] = call.dims(call.output());
    const weight = emit.reshape(call.input(1), [filters, channels]);
    const maps = emit.reshape(dy, [samples!, filters, area(window.output)]);
    const o = { dtype: type, rankA: 2, rankB: 3, transA: true };
    return emit.reshape(emit.matMul(weight, maps, o), [samples!, channels, ...window.input]);
  },
};

/** One product over all samples and positions: rows of channels of dy, gathered, times W. */
const gathered: Formulation = {
  name: "gathered",
  applies: ({ groups }) => groups === 1,
  cost: (shape, threads) =>
    timeOf(gatheredWork(shape, shape.filters, area(shape.window.input)), threads),
  emit: (call, { filters, channels, window }) => {
    const { emit, dy } = call;
    const [taps, count] = [area(window.kernel), area(window.output)];
    const rows = channelsLast(call, dy, call.dims(call.output()), count);
    const places = indicesOf(outputsReading(window), window.output).flat();
    const columns = emit.reshape(takenRows(call, rows, count, places), [-1, taps * filters]);
    const stack = emit.reshape(call.input(1), [filters, channels, taps]);
    const weight = emit.reshape(emit.transpose(stack, [2, 0, 1]), [taps * filters, channels]);
    const product = emit.node("MatMul", [columns, weight]);
    return channelsFirst(call, product, call.dims(call.input(0)));
  },
};

/** One product over all samples and rows of maps; see `conv_band.ts`. */
const banded: Formulation = {
  name: "banded",
  applies: ({ groups }) => groups === 1,
  cost: (shape, threads) => timeOf(bandedWork(shape, "data"), threads),
  emit: bandedData,
};

/** The ways to write the gradient of a convolution's input. */
export const dataFormulations: readonly Formulation[] = [
  pointwise,
  banded,
  gathered,
  flipped,
  transposed,
  ...[pointwise, transposed].flatMap((flat) => [
    bySlices("data", "filters", flat),
    bySlices("data", "channels", flat),
  ]),
];
