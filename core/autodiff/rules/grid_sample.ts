import { type Extent, intOf, stringOf, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { area } from "./conv_shape.ts";
import { scatterElements } from "./scatter_elements.ts";

/** Where a node samples: everything with the axes of the map in the order of the grid, x first. */
interface Sampling {
  readonly samples: Extent;
  readonly channels: number;
  /** Points for each sample. */
  readonly points: number;
  readonly sizes: readonly number[];
  readonly alignCorners: boolean;
  readonly padding: string;
  readonly nearest: boolean;
}

/**
 * The elements around each point, 2^rank of them. The points come last in every value, so that the
 * kernels run along them; the batch is in front.
 */
interface Corners {
  /** [corners, points]: index into the map; of the nearest element where it lies outside. */
  readonly places: string;
  /** [rank, corners, points]: how near the corner is along each axis, 0 where it lies outside. */
  readonly nearness: string;
  /** [rank, corners, points]: 1 where the corner is in the map along each axis. */
  readonly inside: string;
  readonly offsets: readonly (readonly number[])[];
}

function samplingOf(call: Call): Sampling {
  const { node } = call;
  const mode = stringOf(node, "mode", "linear");
  if (mode === "cubic" || mode === "bicubic") {
    call.refuse(`mode "${mode}"; "linear" and "nearest" are differentiated`);
  }
  const [samples] = call.dims(call.output());
  const [channels, ...points] = call.fixedDims(call.output(), 1);
  return {
    samples: samples!,
    channels: channels!,
    points: area(points),
    sizes: call.fixedDims(call.input(0), 2).toReversed(),
    alignCorners: intOf(node, "align_corners", 0) === 1,
    padding: stringOf(node, "padding_mode", "zeros"),
    nearest: mode === "nearest",
  };
}

/** A number for each axis of the map, for values with `after` dimensions behind the axes. */
function perAxis(call: Call, values: readonly number[], after: number = 1): string {
  const dims = [values.length, ...new Array<number>(after).fill(1)];
  return call.emit.constant(tensor(call.dtype(call.input(1)), dims, values));
}

/** Elements per unit of the grid: from −1 to 1 over a map, or over the centres of its elements. */
function scaleOf({ sizes, alignCorners }: Sampling): number[] {
  return sizes.map((size) => (alignCorners ? size - 1 : size) / 2);
}

/** Coordinates in elements, before padding: [samples, rank, points]. */
function coordinates(call: Call, sampling: Sampling): string {
  const { emit } = call;
  const { samples, points, sizes } = sampling;
  const grid = emit.reshape(call.input(1), [samples, points, sizes.length]);
  const middle = perAxis(call, sizes.map((size) => (size - 1) / 2));
  const scaled = emit.mul(emit.transpose(grid, [0, 2, 1]), perAxis(call, scaleOf(sampling)));
  return emit.add(scaled, middle);
}

/** Coordinates with the padding's rule for what lies outside, and its slope where it has one. */
function padded(
  call: Call,
  at: string,
  { sizes, alignCorners, padding }: Sampling,
): { at: string; slope: () => string | undefined } {
  const { emit } = call;
  if (padding === "zeros") return { at, slope: () => undefined };
  const last = perAxis(call, sizes.map((size) => size - 1));
  const clipped = (value: string) =>
    emit.node("Max", [emit.node("Min", [value, last]), perAxis(call, sizes.map(() => 0))]);
  const isKept = (value: string) =>
    emit.indicator(emit.equal(clipped(value), value), call.dtype(call.input(1)));
  if (padding === "border") return { at: clipped(at), slope: () => isKept(at) };
  // Between mirrors at `low` and `low + span` a coordinate goes to and fro.
  const low = perAxis(call, sizes.map(() => alignCorners ? 0 : -0.5));
  const span = sizes.map((size) => Math.max(1, alignCorners ? size - 1 : size));
  const from = emit.sub(at, low);
  const twice = perAxis(call, span.map((length) => 2 * length));
  const way = emit.node("Mod", [emit.node("Abs", [from]), twice], { fmod: 1 });
  const back = emit.sub(perAxis(call, span), way);
  const mirrored = emit.add(
    emit.sub(perAxis(call, span), emit.node("Abs", [back])),
    low,
  );
  const turn = () => emit.mul(emit.node("Sign", [from]), emit.node("Sign", [back]));
  return { at: clipped(mirrored), slope: () => emit.mul(turn(), isKept(mirrored)) };
}

/** The corners around points: each is `offsets[k]` elements from the lowest one. */
function cornersOf(call: Call, at: string, sampling: Sampling): Corners {
  const { emit } = call;
  const { sizes, nearest } = sampling;
  const dtype = call.dtype(call.input(1));
  const offsets = nearest
    ? [sizes.map(() => 0)]
    : Array.from({ length: 2 ** sizes.length }, (_, k) => sizes.map((_, axis) => (k >> axis) & 1));
  const lowest = emit.node(nearest ? "Round" : "Floor", [at]);
  const corner = emit.add(emit.unsqueeze(lowest, [2]), ofCorners(call, offsets));
  const last = perAxis(call, sizes.map((size) => size - 1), 2);
  const zeros = perAxis(call, sizes.map(() => 0), 2);
  const clipped = emit.node("Max", [emit.node("Min", [corner, last]), zeros]);
  const inside = emit.indicator(emit.equal(clipped, corner), dtype);
  const strides = perAxis(call, sizes.map((_, axis) => area(sizes.slice(0, axis))), 2);
  const places = emit.cast(emit.reduceSum(emit.mul(clipped, strides), [1], false), "int64");
  if (nearest) return { places, nearness: inside, inside, offsets };
  const rest = ofCorners(call, offsets.map((offset) => offset.map((n) => 1 - n)));
  const share = emit.unsqueeze(emit.sub(at, lowest), [2]);
  const near = emit.node("Abs", [emit.sub(rest, share)]);
  return { places, nearness: emit.mul(near, inside), inside, offsets };
}

/** A constant with one row for each corner, turned to [rank, corners, 1]. */
function ofCorners(call: Call, rows: readonly (readonly number[])[]): string {
  const rank = rows[0]!.length;
  const values = Array.from({ length: rank }, (_, axis) => rows.map((row) => row[axis]!)).flat();
  return call.emit.constant(tensor(call.dtype(call.input(1)), [rank, rows.length, 1], values));
}

/** The places for each channel: [samples, channels, corners · points]. */
function placesByChannel(call: Call, { places, offsets }: Corners, sampling: Sampling): string {
  const { emit } = call;
  const { samples, channels, points } = sampling;
  const count = points * offsets.length;
  const dims = [samples, channels, count];
  const shape = emit.shape(dims, call.references(call.output()));
  return emit.expand(emit.reshape(places, [samples, 1, count]), shape);
}

/** dx: each point's dy added to its corners, in proportion to their nearness. */
function mapGradient(call: Call, corners: Corners, sampling: Sampling): string {
  const { emit, dy, type } = call;
  const { samples, channels, points, sizes } = sampling;
  const count = corners.offsets.length;
  const product = sizes
    .map((_, axis) => {
      const index = emit.scalar("int64", axis);
      return emit.node("Gather", [corners.nearness, index], { axis: 1 });
    })
    .reduce((a, b) => emit.mul(a, b));
  const weights = emit.unsqueeze(product, [1]);
  const updates = emit.mul(emit.reshape(dy, [samples, channels, 1, points]), weights);
  const flat = [samples, channels, area(sizes)];
  const zeros = emit.expand(
    emit.scalar(type, 0),
    emit.shape(flat, call.references(call.input(0))),
  );
  const places = placesByChannel(call, corners, sampling);
  const rows = emit.reshape(updates, [samples, channels, count * points]);
  const sum = scatterElements(call, zeros, places, rows, { axis: 2, put: "add" });
  return call.reshapeLike(sum, call.input(0));
}

/** dgrid: how y changes as the corners come nearer along each axis. */
function gridGradient(
  call: Call,
  corners: Corners,
  slope: string | undefined,
  sampling: Sampling,
): string {
  const { emit, dy } = call;
  const { samples, channels, points, sizes } = sampling;
  const { offsets, nearness, inside } = corners;
  const rank = sizes.length;
  const x = emit.reshape(call.input(0), [samples, channels, area(sizes)]);
  const places = placesByChannel(call, corners, sampling);
  const taken = emit.node("GatherElements", [x, places], { axis: 2 });
  const values = emit.reshape(taken, [samples, channels, offsets.length, points]);
  const gradient = emit.reshape(dy, [samples, channels, 1, points]);
  const share = emit.unsqueeze(emit.reduceSum(emit.mul(values, gradient), [1], false), [1]);
  const signs = offsets.map((offset) => offset.map((n) => 2 * n - 1));
  let rise = emit.mul(inside, ofCorners(call, signs));
  for (let shift = 1; shift < rank; shift++) {
    const others = emit.ints(sizes.map((_, axis) => (axis + shift) % rank));
    rise = emit.mul(rise, emit.node("Gather", [nearness, others], { axis: 1 }));
  }
  const moved = emit.reduceSum(emit.mul(share, rise), [2], false);
  const scaled = emit.mul(moved, perAxis(call, scaleOf(sampling)));
  const total = slope === undefined ? scaled : emit.mul(scaled, slope);
  return call.reshapeLike(emit.transpose(total, [0, 2, 1]), call.input(1));
}

/**
 * y = x sampled at the points of a grid, between 2^rank corners: dx adds each point's dy to its
 * corners, dgrid says how the values at the corners differ. The nearest element has no slope.
 */
export const gridSample: RuleEntry = [
  rule((call) => {
    const sampling = samplingOf(call);
    const { at, slope } = padded(call, coordinates(call, sampling), sampling);
    const corners = cornersOf(call, at, sampling);
    const map = () => mapGradient(call, corners, sampling);
    if (sampling.nearest) return [map, undefined];
    return [map, () => gridGradient(call, corners, slope(), sampling)];
  }, { since: 16 }),
];
