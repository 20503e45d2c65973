import { type Extent, int64s } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { area } from "./conv_shape.ts";
import type { Window } from "./window.ts";

/** A position in a map, or undefined where a kernel element meets padding. */
export type Place = readonly number[] | undefined;

/** All positions of a map, row-major; one for no dimensions. */
export function positions(sizes: readonly number[]): number[][] {
  return sizes.reduce<number[][]>(
    (outer, size) =>
      outer.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]],
  );
}

/** For each output position, the input position that each kernel element meets. */
export function inputsRead(
  { input, output, kernel, strides, dilations, begins }: Window,
): Place[][] {
  const taps = positions(kernel);
  return positions(output).map((at) =>
    taps.map((tap) => {
      const place = at.map((o, i) => o * strides[i]! + tap[i]! * dilations[i]! - begins[i]!);
      return place.every((x, i) => x >= 0 && x < input[i]!) ? place : undefined;
    })
  );
}

/** For each input position, the output position that reads it by each kernel element. */
export function outputsReading(window: Window): Place[][] {
  const { input, output, kernel, strides, dilations, begins } = window;
  const taps = positions(kernel);
  return positions(input).map((at) =>
    taps.map((tap) => {
      const place = at.map((x, i) => (x + begins[i]! - tap[i]! * dilations[i]!) / strides[i]!);
      const inside = place.every((o, i) => Number.isInteger(o) && o >= 0 && o < output[i]!);
      return inside ? place : undefined;
    })
  );
}

/** The window along some of its axes. */
export function axesOf(window: Window, from: number, to?: number): Window {
  const cut = (values: readonly number[]) => values.slice(from, to);
  return {
    input: cut(window.input),
    output: cut(window.output),
    kernel: cut(window.kernel),
    strides: cut(window.strides),
    dilations: cut(window.dilations),
    begins: cut(window.begins),
    ends: cut(window.ends),
  };
}

/** Places as indices into the rows of a map of `sizes`. */
export function indicesOf(
  places: readonly (readonly Place[])[],
  sizes: readonly number[],
): (number | undefined)[][] {
  return places.map((taps) =>
    taps.map((place) => place?.reduce((index, at, i) => index * sizes[i]! + at, 0))
  );
}

/** [N, C, map] with the channels last: [N, map, C] as [N, `rows`, the rest]. */
export function channelsLast(
  call: Call,
  value: string,
  dims: readonly Extent[],
  rows: number,
): string {
  const { emit } = call;
  const [samples, channels, ...map] = dims;
  const turned = channels === 1
    ? value
    : emit.transpose(value, [0, ...map.map((_, i) => i + 2), 1]);
  return emit.reshape(turned, [samples!, rows, area(map.map(Number)) * Number(channels) / rows]);
}

/** Rows of a map with the channels last as [N, C, map] again. */
export function channelsFirst(call: Call, rows: string, dims: readonly Extent[]): string {
  const { emit } = call;
  const [samples, channels, ...map] = dims;
  const image = emit.reshape(rows, [samples!, ...map, channels!]);
  return emit.transpose(image, [0, map.length + 1, ...map.map((_, i) => i + 1)]);
}

/**
 * Takes rows of a stack [N, `count`, width]: [N, indices, width], with zeros where an index is
 * undefined. Gather copies whole rows, so the wider they are, the better.
 */
export function takenRows(
  call: Call,
  stack: string,
  count: number,
  indices: readonly (number | undefined)[],
): string {
  const { emit } = call;
  if (indices.length === count && indices.every((index, i) => index === i)) return stack;
  const padded = indices.includes(undefined) ? emit.pad(stack, [0, 0, 0], [0, 1, 0]) : stack;
  const constant = emit.constant(int64s(indices.map((index) => index ?? count)));
  return emit.node("Gather", [padded, constant], { axis: 1 });
}
