import type { Call } from "../call.ts";
import {
  axesOf,
  channelsFirst,
  channelsLast,
  indicesOf,
  inputsRead,
  outputsReading,
  takenRows,
} from "./conv_rows.ts";
import { area, type ConvShape } from "./conv_shape.ts";

/**
 * A convolution as one banded product. Along the last axis it is a banded matrix
 *
 * ```text
 * T[(tap, m, o), (w, c)] = W[m, c, tap, j]  where output o meets input w by kernel element j,
 *                          0            elsewhere,
 * ```
 *
 * so that whole rows of maps are the rows of the product, for all samples at once: more
 * multiplications by width / kernel width, but in one large product, and with copies of whole rows
 * where im2col copies every element k times. The fastest way on small maps.
 */

/** For each output position o, input position w along the last axis: the kernel element, if any. */
function band(shape: ConvShape): (number | undefined)[][] {
  const last = axesOf(shape.window, -1);
  const [width] = last.input as [number];
  return inputsRead(last).map((taps) =>
    Array.from({ length: width }, (_, w) => {
      const tap = taps.findIndex((place) => place?.[0] === w);
      return tap === -1 ? undefined : tap;
    })
  );
}

/**
 * dy with whole rows of maps side by side, [N, rows, (m, o)]. Gather does it twice as fast as
 * Transpose, which copies such short runs one by one on one thread.
 */
function gradientRows(call: Call, shape: ConvShape, rows: number): string {
  const { emit, dy } = call;
  const { filters, window } = shape;
  const narrow = window.output.at(-1)!;
  const [samples] = call.dims(call.output());
  const runs = emit.reshape(dy, [samples!, filters * rows, narrow]);
  const order = Array.from({ length: rows * filters }, (_, i) => {
    const [row, filter] = [Math.floor(i / filters), i % filters];
    return filter * rows + row;
  });
  const turned = takenRows(call, runs, filters * rows, order);
  return emit.reshape(turned, [samples!, rows, filters * narrow]);
}

/** dx: rows of dy, gathered for every tap along the leading axes, times the bands. */
export function bandedData(call: Call, shape: ConvShape): string {
  const { emit } = call;
  const { filters, channels, window } = shape;
  const lead = axesOf(window, 0, -1);
  const [taps, elements] = [area(lead.kernel), area(window.kernel)];
  const [narrow, width] = [window.output.at(-1)!, window.input.at(-1)!];
  const last = elements / taps;
  const stack = emit.reshape(call.input(1), [filters, channels, elements]);
  const places = band(shape);
  const indices = Array.from(
    { length: taps },
    (_, tap) =>
      places.flatMap((row) => row.map((j) => j === undefined ? undefined : tap * last + j)),
  ).flat();
  const bands = takenRows(call, emit.transpose(stack, [0, 2, 1]), elements, indices);
  const byFilter = emit.reshape(bands, [filters, taps, narrow * width * channels]);
  const matrix = emit.reshape(emit.transpose(byFilter, [1, 0, 2]), [
    taps * filters * narrow,
    width * channels,
  ]);
  const count = area(lead.output);
  const rows = takenRows(
    call,
    gradientRows(call, shape, count),
    count,
    indicesOf(outputsReading(lead), lead.output).flat(),
  );
  const product = emit.node("MatMul", [emit.reshape(rows, [-1, taps * filters * narrow]), matrix]);
  return channelsFirst(call, product, call.dims(call.input(0)));
}

/** dW: the product of all rows of dy and x, from which the bands are read and summed. */
export function bandedWeight(call: Call, shape: ConvShape): string {
  const { emit, type } = call;
  const { filters, channels, window } = shape;
  const lead = axesOf(window, 0, -1);
  const taps = area(lead.kernel);
  const [narrow, width] = [window.output.at(-1)!, window.input.at(-1)!];
  const count = area(lead.input);
  const x = channelsLast(call, call.input(0), call.dims(call.input(0)), count);
  const rows = takenRows(call, x, count, indicesOf(inputsRead(lead), lead.input).flat());
  const columns = emit.reshape(rows, [-1, taps * width * channels]);
  const gradient = gradientRows(call, shape, area(lead.output));
  const o = { dtype: type, rankA: 2, rankB: 2, transA: true };
  const all = emit.matMul(emit.reshape(gradient, [-1, filters * narrow]), columns, o);
  return weightFromBands(call, shape, all);
}

/** Sums up the bands of a matrix [(m, o), (tap, w, c)]: each gives one element of the kernel. */
export function weightFromBands(call: Call, shape: ConvShape, all: string): string {
  const { emit } = call;
  const { filters, channels, groups, window } = shape;
  const [taps, elements] = [area(window.kernel.slice(0, -1)), area(window.kernel)];
  const [narrow, width] = [window.output.at(-1)!, window.input.at(-1)!];
  const places = band(shape);
  const indices = Array.from({ length: elements }, (_, element) => {
    const [tap, j] = [Math.floor(element * taps / elements), element % (elements / taps)];
    return places.map((row, at) => {
      const w = row.indexOf(j);
      return w === -1 ? undefined : (at * taps + tap) * width + w;
    });
  }).flat();
  const depth = narrow * taps * width;
  const each = channels / groups;
  const bands = takenRows(call, emit.reshape(all, [filters, depth, each]), depth, indices);
  const apart = emit.reshape(bands, [filters, elements, narrow, each]);
  const turned = emit.transpose(emit.reduceSum(apart, [2], false), [0, 2, 1]);
  return emit.reshape(turned, call.dims(call.input(1)));
}
