import { intOf, intsOf, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { area } from "./conv_shape.ts";
import { leftOver, slidingAttributes, type Window, windowOf } from "./window.ts";

/** Beyond so many outputs along an axis its matrix costs more than a transposed convolution. */
const MATRIX_OUTPUTS_MAX = 64;

/** First opset of Resize in the form that is used. */
const RESIZE_OPSET = 13;

/** The elements of one axis that the window at output `o` averages over, padding left out. */
function elementsRead(window: Window, axis: number, o: number): number[] {
  const first = o * window.strides[axis]! - window.begins[axis]!;
  return Array.from({ length: window.kernel[axis]! }, (_, k) => first + k * window.dilations[axis]!)
    .filter((place) => place >= 0 && place < window.input[axis]!);
}

/** By how many elements the window at output `o` divides along one axis. */
function divisor(window: Window, axis: number, o: number, withPadding: boolean): number {
  if (!withPadding) return elementsRead(window, axis, o).length;
  const { strides, begins, ends, dilations, kernel, input } = window;
  const first = o * strides[axis]! - begins[axis]!;
  const places = Array.from({ length: kernel[axis]! }, (_, k) => first + k * dilations[axis]!);
  return places.filter((place) => place < input[axis]! + ends[axis]!).length;
}

/** Along one axis averaging is a matrix: its row for each output, output by input. */
function averaging(window: Window, axis: number, withPadding: boolean): number[][] {
  return Array.from({ length: window.output[axis]! }, (_, o) => {
    const row = new Array<number>(window.input[axis]!).fill(0);
    const share = 1 / divisor(window, axis, o, withPadding);
    for (const place of elementsRead(window, axis, o)) row[place] = share;
    return row;
  });
}

/** True where windows of 2 × 2 lie side by side: the case that Resize does fast. */
function isHalving({ kernel, strides, dilations, begins, ends }: Window): boolean {
  return kernel.length === 2 && [...kernel, ...strides].every((n) => n === 2) &&
    area(dilations) === 1 && [...begins, ...ends].every((n) => n === 0);
}

/** dx for windows of 2 × 2: dy/4, each element doubled along both axes. */
function doubled(call: Call, window: Window): string {
  const { emit, dy, type } = call;
  const scales = emit.constant(tensor("float32", [4], [1, 1, 2, 2]));
  const attributes = {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  };
  const wide = emit.node("Resize", [emit.scale(dy, type, 0.25), "", scales], attributes);
  const missing = window.output.map((size, i) => window.input[i]! - 2 * size);
  return emit.pad(wide, [0, 0, 0, 0], [0, 0, ...missing]);
}

/**
 * dx by the transposed matrix of each axis in turn: averaging is separable, whatever the windows
 * overlap, leave out or pad.
 */
function byMatrices(call: Call, matrices: readonly (readonly number[][])[]): string {
  const { emit, dy, type } = call;
  const [samples, channels] = call.dims(call.output());
  const constant = (rows: readonly (readonly number[])[]) =>
    emit.constant(tensor(type, [rows.length, rows[0]!.length], rows.flat()));
  const last = matrices.length - 1;
  let value = emit.node("MatMul", [dy, constant(matrices[last]!)]);
  const sizes = matrices.map((rows) => rows.length);
  sizes[last] = matrices[last]![0]!.length;
  for (let axis = last - 1; axis >= 0; axis--) {
    const rows = matrices[axis]!;
    const transposed = rows[0]!.map((_, input) => rows.map((row) => row[input]!));
    const before = sizes.slice(0, axis);
    const after = area(sizes.slice(axis + 1));
    if (axis < last - 1 || before.length > 0) {
      value = emit.reshape(value, [samples!, channels!, ...before, sizes[axis]!, after]);
    }
    value = emit.node("MatMul", [constant(transposed), value]);
    sizes[axis] = rows[0]!.length;
  }
  return last < 2 ? value : emit.reshape(value, [samples!, channels!, ...sizes]);
}

/** dx by a transposed convolution with ones, of dy divided by the sizes of the windows. */
function byConvolution(call: Call, window: Window, withPadding: boolean): string {
  const { emit, dy, type } = call;
  const weights = window.output.reduce<number[]>(
    (outer, size, axis) =>
      outer.flatMap((a) =>
        Array.from({ length: size }, (_, o) => a / divisor(window, axis, o, withPadding))
      ),
    [1],
  );
  const uniform = weights.every((weight) => weight === weights[0]);
  const share = uniform
    ? emit.scale(dy, type, weights[0]!)
    : emit.mul(dy, emit.constant(tensor(type, [1, 1, ...window.output], weights)));
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

/** y = the mean of each window: every element gets its share of dy from each window it is in. */
export const averagePool: RuleEntry = [
  rule((call) => [() => {
    const window = windowOf(call, intsOf(call.node, "kernel_shape")!);
    const withPadding = intOf(call.node, "count_include_pad", 0) === 1;
    const single = call.type === "float32";
    const whole = leftOver(window).every((n) => n >= 0);
    if (isHalving(window) && whole && single && call.emit.opset >= RESIZE_OPSET) {
      return doubled(call, window);
    }
    if (single && window.output.some((size) => size > MATRIX_OUTPUTS_MAX)) {
      return byConvolution(call, window, withPadding);
    }
    return byMatrices(call, window.kernel.map((_, axis) => averaging(window, axis, withPadding)));
  }], { since: 7 }),
];

/** y = the mean of each map: dx = dy / size of the map, everywhere. */
export const globalAveragePool: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, type } = call;
    const map = call.fixedDims(call.input(0), 2);
    const shares = new Array<number>(area(map)).fill(1 / area(map));
    return emit.mul(dy, emit.constant(tensor(type, [1, 1, ...map], shares)));
  }]),
];
