import { intOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { reach, type Window, windowOf } from "./window.ts";

/** Everything on which the cost of a convolution's gradients depends, but the batch size. */
export interface ConvShape {
  /** Channels of the input and of the output. */
  readonly channels: number;
  readonly filters: number;
  /** Channels and filters fall into so many independent groups. */
  readonly groups: number;
  readonly window: Window;
}

/** The shape of a Conv node. */
export function convShapeOf(call: Call): ConvShape {
  const weight = call.fixedDims(call.input(1));
  const [filters, perGroup, ...kernel] = weight;
  const groups = intOf(call.node, "group", 1);
  return {
    channels: perGroup! * groups,
    filters: filters!,
    groups,
    window: windowOf(call, kernel),
  };
}

/** Product of the numbers; 1 for none. */
export function area(sizes: readonly number[]): number {
  return sizes.reduce((product, size) => product * size, 1);
}

/** True where the kernel has one element, the stride is 1 and nothing is padded. */
export function isPointwise({ window }: ConvShape): boolean {
  const { kernel, strides, begins, ends } = window;
  return area(kernel) === 1 && area(strides) === 1 && [...begins, ...ends].every((n) => n === 0);
}

/** True where the padding is less than the kernel's reach, so that every placement meets data. */
export function padsWithinReach({ window }: ConvShape): boolean {
  const covered = reach(window);
  return [window.begins, window.ends].every((pads) => pads.every((n, i) => n < covered[i]!));
}
