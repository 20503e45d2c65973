import { intsOf, stringOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";

/** How a convolution or a pooling slides over its input; one number for each spatial axis. */
export interface Window {
  /** Sizes of the input and output maps. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

/**
 * The window of a node with the ONNX attributes `strides`, `dilations`, `pads` and `auto_pad`, its
 * padding made explicit: for SAME_UPPER and SAME_LOWER as much as the output's size takes, an odd
 * element going to the end or to the beginning.
 */
export function windowOf(call: Call, kernel: readonly number[]): Window {
  const { node } = call;
  const input = call.fixedDims(call.input(0), 2);
  const output = call.fixedDims(call.output(), 2);
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, "strides") ?? ones;
  const dilations = intsOf(node, "dilations") ?? ones;
  const pads = intsOf(node, "pads") ?? [...kernel, ...kernel].map(() => 0);
  const automatic = stringOf(node, "auto_pad", "NOTSET");
  let begins = pads.slice(0, kernel.length);
  let ends = pads.slice(kernel.length);
  if (automatic !== "NOTSET") {
    const totals = kernel.map((k, i) => {
      const covered = (output[i]! - 1) * strides[i]! + (k - 1) * dilations[i]! + 1;
      return automatic === "VALID" ? 0 : Math.max(0, covered - input[i]!);
    });
    const lesser = totals.map((total) => Math.floor(total / 2));
    const greater = totals.map((total) => Math.ceil(total / 2));
    [begins, ends] = automatic === "SAME_LOWER" ? [greater, lesser] : [lesser, greater];
  }
  return { input, output, kernel, strides, dilations, begins, ends };
}

/** Elements of a row that one placement of the kernel reaches over: (k − 1) d + 1. */
export function reach({ kernel, dilations }: Window): number[] {
  return kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
}

/**
 * Elements at the end of each input axis, padding included, that no placement reaches because the
 * stride does not divide: what ConvTranspose calls output_padding. Negative where a pooling with
 * ceil_mode reaches beyond the padding.
 */
export function leftOver(window: Window): number[] {
  const { input, output, strides, begins, ends } = window;
  return reach(window).map((covered, i) =>
    input[i]! + begins[i]! + ends[i]! - ((output[i]! - 1) * strides[i]! + covered)
  );
}

/** The attributes of ONNX for a window's strides, dilations and padding. */
export function slidingAttributes(window: Window): Record<string, readonly number[]> {
  const { strides, dilations, begins, ends } = window;
  return { strides, dilations, pads: [...begins, ...ends] };
}
