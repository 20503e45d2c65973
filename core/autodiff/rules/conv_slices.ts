import type { Extent, Fact } from "../../onnx/mod.ts";
import { Call } from "../call.ts";
import type { Formulation } from "../formulation.ts";
import { slicingWork, timeOf } from "./conv_cost.ts";
import { axesOf, indicesOf, inputsRead, outputsReading, takenRows } from "./conv_rows.ts";
import { area, type ConvShape } from "./conv_shape.ts";

/**
 * A three-dimensional convolution as a two-dimensional one of slices, for which ONNX Runtime has
 * much faster kernels: depths become samples, and the kernel's taps along the depth become
 *
 * - channels: the slices of x that the taps of an output depth meet lie side by side, or
 * - filters: the slices of y that an input depth takes part in do.
 *
 * ```text
 * y[(n, o), m]      = Σ over (d, c) of x[n, c, o s + d − p] ∗ W[m, (d, c)]
 * y[(n, z), (d, m)] = Σ over c of x[(n, z), c] ∗ W[(d, m), c],  a part of depth (z + p − d) / s
 * ```
 */
export type TapsAs = "channels" | "filters";

interface Slices {
  /** The convolution in two dimensions. */
  readonly flat: ConvShape;
  /** Taps along the depth, and depths of x and of y. */
  readonly taps: number;
  readonly depth: number;
  readonly outputDepth: number;
  /** Slices of a sample, which are the samples of the two-dimensional convolution. */
  readonly count: number;
}

function slicesOf({ channels, filters, groups, window }: ConvShape, tapsAs: TapsAs): Slices {
  const [taps] = window.kernel as [number];
  const [depth] = window.input as [number];
  const [outputDepth] = window.output as [number];
  const flat = tapsAs === "channels"
    ? { channels: taps * channels, filters, groups, window: axesOf(window, 1) }
    : { channels, filters: taps * filters, groups, window: axesOf(window, 1) };
  return { flat, taps, depth, outputDepth, count: tapsAs === "channels" ? outputDepth : depth };
}

/** [N, C, D, map] with the depths in front of the channels: [N, D, C · map]. */
function depthsFirst(call: Call, value: string, dims: readonly Extent[]): string {
  const { emit } = call;
  const [samples, channels, depth, ...map] = dims as [Extent, number, number, ...number[]];
  const maps = emit.reshape(value, [samples, channels, depth, area(map)]);
  return emit.reshape(emit.transpose(maps, [0, 2, 1, 3]), [samples, depth, channels * area(map)]);
}

/** Slices of x or dy, one below the other for each sample, as [N slices, channels, map]. */
function stacked(
  call: Call,
  rows: string,
  o: { readonly count: number; readonly channels: number; readonly map: readonly number[] },
): string {
  const { emit } = call;
  const [samples] = call.dims(call.output());
  // Tells whoever rewrites the graph how many slices a sample has.
  const apart = emit.reshape(rows, [samples!, o.count, o.channels * area(o.map)]);
  return emit.reshape(apart, [-1, o.channels, ...o.map]);
}

/** The operands of the two-dimensional convolution, as far as its gradients read them. */
interface Operands {
  readonly x: () => string;
  readonly dy: () => string;
  readonly w: () => string;
}

function operandsOf(call: Call, shape: ConvShape, tapsAs: TapsAs): Operands {
  const { emit, dy } = call;
  const { flat, depth, outputDepth, count } = slicesOf(shape, tapsAs);
  const { channels, filters, window } = flat;
  const lead = axesOf(shape.window, 0, 1);
  const [x, w] = [call.input(0), call.input(1)];
  const rowsOfX = () => depthsFirst(call, x, call.dims(x));
  const rowsOfDy = () => depthsFirst(call, dy, call.dims(call.output()));
  const asChannels = tapsAs === "channels";
  const read = () => indicesOf(inputsRead(lead), lead.input).flat();
  const reading = () => indicesOf(outputsReading(lead), lead.output).flat();
  return {
    x: () => {
      const rows = asChannels ? takenRows(call, rowsOfX(), depth, read()) : rowsOfX();
      return stacked(call, rows, { count, channels, map: window.input });
    },
    dy: () => {
      const rows = asChannels ? rowsOfDy() : takenRows(call, rowsOfDy(), outputDepth, reading());
      return stacked(call, rows, { count, channels: filters, map: window.output });
    },
    w: () => {
      const turned = emit.transpose(w, asChannels ? [0, 2, 1, 3, 4] : [2, 0, 1, 3, 4]);
      return emit.reshape(turned, [filters, channels, ...window.kernel]);
    },
  };
}

/** The two-dimensional convolution as a rule sees it; `known` are the operands that it reads. */
function flatCall(
  call: Call,
  { flat, count }: Slices,
  known: { readonly x?: string; readonly w?: string; readonly dy: string },
): Call {
  const { node, opset, emit, around, type: dtype } = call;
  const { channels, filters, window } = flat;
  const [samples] = call.dims(call.output());
  const slices = typeof samples === "number"
    ? samples * count
    : { perSample: samples!.perSample * count };
  const { x = `${node.name}.x`, w = `${node.name}.w` } = known;
  const y = `${node.name}.y`;
  const fact = (dims: readonly Extent[]): Fact => ({ dtype, dims });
  const facts = new Map([
    ...around.facts,
    [x, fact([slices, channels, ...window.input])],
    [w, fact([filters, channels, ...window.kernel])],
    [y, fact([slices, filters, ...window.output])],
  ]);
  const inner = { ...node, inputs: [x, w], outputs: [y] };
  return new Call(inner, opset, emit, [known.dy], { ...around, facts });
}

function dataBySlices(
  call: Call,
  shape: ConvShape,
  tapsAs: TapsAs,
  { emit: write }: Formulation,
): string {
  const { emit } = call;
  const slices = slicesOf(shape, tapsAs);
  const { flat, taps, depth, outputDepth } = slices;
  const lead = axesOf(shape.window, 0, 1);
  const { w, dy } = operandsOf(call, shape, tapsAs);
  const found = write(flatCall(call, slices, { w: w(), dy: dy() }), flat);
  const size = shape.channels * area(flat.window.input);
  const [samples] = call.dims(call.input(0));
  let rows = found;
  if (tapsAs === "channels") {
    const places = indicesOf(outputsReading(lead), lead.output).flatMap((row) =>
      row.map((o, tap) => o === undefined ? undefined : o * taps + tap)
    );
    const each = emit.reshape(found, [samples!, outputDepth * taps, size]);
    const met = takenRows(call, each, outputDepth * taps, places);
    rows = emit.reduceSum(emit.reshape(met, [-1, taps, size]), [1], false);
  }
  const maps = emit.reshape(rows, [samples!, depth, shape.channels, area(flat.window.input)]);
  return call.reshapeLike(emit.transpose(maps, [0, 2, 1, 3]), call.input(0));
}

function weightBySlices(
  call: Call,
  shape: ConvShape,
  tapsAs: TapsAs,
  { emit: write }: Formulation,
): string {
  const { emit } = call;
  const { channels, filters } = shape;
  const slices = slicesOf(shape, tapsAs);
  const { flat, taps } = slices;
  const { x, dy } = operandsOf(call, shape, tapsAs);
  const found = write(flatCall(call, slices, { x: x(), dy: dy() }), flat);
  const elements = area(flat.window.kernel);
  const turned = tapsAs === "channels"
    ? emit.transpose(emit.reshape(found, [filters, taps, channels, elements]), [0, 2, 1, 3])
    : emit.transpose(emit.reshape(found, [taps, filters * channels, elements]), [1, 0, 2]);
  return emit.reshape(turned, call.dims(call.input(1)));
}

/** A formulation for two dimensions as one for three. */
export function bySlices(
  gradient: "data" | "weight",
  tapsAs: TapsAs,
  inner: Formulation,
): Formulation {
  const write = gradient === "data" ? dataBySlices : weightBySlices;
  return {
    ...inner,
    name: `${inner.name}, taps as ${tapsAs}`,
    applies: (shape) =>
      shape.window.kernel.length === 3 && shape.groups === 1 &&
      inner.applies(slicesOf(shape, tapsAs).flat),
    cost: (shape, threads) => {
      const { flat, count } = slicesOf(shape, tapsAs);
      const copying = timeOf(slicingWork(shape, gradient, tapsAs), threads);
      return copying + count * inner.cost(flat, threads);
    },
    emit: (call, shape) => write(call, shape, tapsAs, inner),
  };
}
