import { type Extent, int64s } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { area } from "./conv_shape.ts";

/** A position in a map, or undefined where a kernel element meets padding. */
export type Place = readonly number[] | undefined;

/** All positions of a map, row-major. */
export function positions(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (outer, size) =>
      outer.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );
}

/** [N, C, map] as rows of channels, [N, positions, C], and one row of zeros behind them if asked. */
export function channelsLast(
  call: Call,
  value: string,
  dims: readonly Extent[],
  zeroRow: boolean,
): string {
  const { emit } = call;
  const [samples, channels, ...map] = dims;
  const spatial = map.map((_, i) => i + 2);
  const turned = channels === 1 ? value : emit.transpose(value, [0, ...spatial, 1]);
  const rows = emit.reshape(turned, [samples!, area(map.map(Number)), channels!]);
  return zeroRow ? emit.pad(rows, [0, 0, 0], [0, 1, 0]) : rows;
}

/** Rows [N, positions, C] as a map again: [N, C, map]. */
export function channelsFirst(call: Call, rows: string, dims: readonly Extent[]): string {
  const { emit } = call;
  const [samples, channels, ...map] = dims;
  const image = emit.reshape(rows, [samples!, ...map, channels!]);
  const spatial = map.map((_, i) => i + 1);
  return emit.transpose(image, [0, map.length + 1, ...spatial]);
}

/**
 * im2col by whole rows of channels: for each of `targets` and each kernel element the row of the
 * place that it meets, as a matrix [N targets, k C]. Gather copies whole rows, so this is the fastest
 * way where there are many channels and few positions.
 *
 * @param size of the map from which rows are taken
 * @param places for each target, the place that each kernel element meets
 */
export function gatheredColumns(
  call: Call,
  value: string,
  dims: readonly Extent[],
  places: readonly (readonly Place[])[],
): string {
  const { emit } = call;
  const map = dims.slice(2).map(Number);
  const outside = area(map);
  const indexOf = (place: Place) =>
    place === undefined ? outside : place.reduce((index, at, i) => index * map[i]! + at, 0);
  const indices = places.flatMap((taps) => taps.map(indexOf));
  const rows = channelsLast(call, value, dims, indices.includes(outside));
  const gathered = emit.node("Gather", [rows, emit.constant(int64s(indices))], { axis: 1 });
  return emit.reshape(gathered, [-1, places[0]!.length * Number(dims[1])]);
}
