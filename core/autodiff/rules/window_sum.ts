import { tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import type { Shaped } from "../operations.ts";
import { alongAxis, type Matrix, matrixConstant } from "./axis_matrix.ts";
import { area } from "./conv_shape.ts";
import { leftOver, slidingAttributes, type Window } from "./window.ts";

/** Beyond so many outputs along an axis its matrix costs more than a transposed convolution. */
const MATRIX_OUTPUTS_MAX = 64;

/** The elements of one axis that the window at output `o` reads, padding left out. */
export function elementsRead(window: Window, axis: number, o: number): number[] {
  const first = o * window.strides[axis]! - window.begins[axis]!;
  return Array.from({ length: window.kernel[axis]! }, (_, k) => first + k * window.dilations[axis]!)
    .filter((place) => place >= 0 && place < window.input[axis]!);
}

/** By how much the window at output `o` of an axis weighs its elements. */
export type Weight = (axis: number, o: number) => number;

/** The sum over windows along one axis, transposed: a matrix, input by output. */
function transposedSum(window: Window, axis: number, weight: Weight): Matrix {
  const outputs = window.output[axis]!;
  const read = Array.from({ length: outputs }, (_, o) => new Set(elementsRead(window, axis, o)));
  return Array.from(
    { length: window.input[axis]! },
    (_, i) => read.map((places, o) => places.has(i) ? weight(axis, o) : 0),
  );
}

/** The same by a transposed convolution with ones, of the gradient times the windows' weights. */
function byConvolution(call: Call, gradient: string, window: Window, weight: Weight): string {
  const { emit, type } = call;
  const weights = window.output.reduce<number[]>(
    (outer, size, axis) =>
      outer.flatMap((a) => Array.from({ length: size }, (_, o) => a * weight(axis, o))),
    [1],
  );
  const uniform = weights.every((each) => each === weights[0]);
  const share = uniform
    ? emit.scale(gradient, type, weights[0]!)
    : emit.mul(gradient, emit.constant(tensor(type, [1, 1, ...window.output], weights)));
  const [channels] = call.fixedDims(call.output(), 1);
  const elements = new Array<number>(channels! * area(window.kernel)).fill(1);
  const ones = emit.constant(tensor(type, [channels!, 1, ...window.kernel], elements));
  const over = leftOver(window);
  const full = { ...window, ends: window.ends.map((end, i) => end - Math.min(0, over[i]!)) };
  return emit.node("ConvTranspose", [share, ones], {
    ...slidingAttributes(full),
    group: channels!,
    kernel_shape: window.kernel,
    output_padding: over.map((n) => Math.max(0, n)),
  });
}

/**
 * The adjoint of summing x over windows, each weighted: every element gets its share of `gradient`,
 * which has the shape of y, from each window that it is in. Since the weights are products over the
 * axes the sum is a matrix on each of them, whatever the windows overlap, leave out or pad.
 */
export function spreadOverWindows(
  call: Call,
  gradient: string,
  window: Window,
  weight: Weight,
): string {
  if (call.type === "float32" && window.output.some((size) => size > MATRIX_OUTPUTS_MAX)) {
    return byConvolution(call, gradient, window, weight);
  }
  let value: Shaped = { name: gradient, dims: call.dims(call.output()) };
  for (let axis = window.kernel.length - 1; axis >= 0; axis--) {
    const matrix = transposedSum(window, axis, weight);
    const name = matrixConstant(call, matrix);
    value = alongAxis(call, value, axis + 2, { name, rows: matrix.length });
  }
  return value.name;
}
