import { intOf, intsOf, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { leftOver, reach, slidingAttributes, type Window, windowOf } from "./window.ts";

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const product = (values: readonly number[]) => values.reduce((total, value) => total * value, 1);

/** For each output position along one axis: the number of elements over which it averages. */
function counts(window: Window, axis: number, withPadding: boolean): number[] {
  const { input, output, kernel, strides, dilations, begins, ends } = window;
  const low = withPadding ? -begins[axis]! : 0;
  const high = input[axis]! + (withPadding ? ends[axis]! : 0);
  return Array.from({ length: output[axis]! }, (_, o) => {
    const first = o * strides[axis]! - begins[axis]!;
    const places = Array.from({ length: kernel[axis]! }, (_, k) => first + k * dilations[axis]!);
    return places.filter((place) => place >= low && place < high).length;
  });
}

/** dy / number of elements in each window. */
function shares(call: Call, window: Window): string {
  const { emit, dy, type } = call;
  const withPadding = intOf(call.node, "count_include_pad", 0) === 1;
  const perAxis = window.kernel.map((_, axis) => counts(window, axis, withPadding));
  const whole = product(window.kernel);
  const uniform = perAxis.every((axis, i) => axis.every((n) => n === window.kernel[i]));
  if (uniform) return emit.scale(dy, type, 1 / whole);
  const weights = perAxis.reduce<number[]>(
    (outer, axis) => outer.flatMap((a) => axis.map((b) => a / b)),
    [1],
  );
  return emit.mul(dy, emit.constant(tensor(type, [1, 1, ...window.output], weights)));
}

/** True where windows lie side by side without padding: each element is in one window at most. */
function tiles({ kernel, strides, dilations, begins, ends }: Window): boolean {
  return sum(begins) + sum(ends) === 0 &&
    kernel.every((k, i) => k === strides[i] && dilations[i] === 1);
}

/** Each share repeated over its window: [.., O, ..] → [.., O, 1, ..] → [.., O, k, ..] → [.., H, ..]. */
function repeated(call: Call, share: string, window: Window): string {
  const { emit } = call;
  const { kernel, output, input } = window;
  const [samples, channels] = call.dims(call.output());
  const lead = [samples!, channels!];
  const apart = emit.reshape(share, [...lead, ...output.flatMap((size) => [size, 1])]);
  const wide = emit.expand(apart, emit.ints([1, 1, ...kernel.flatMap((k) => [1, k])]));
  const joined = emit.reshape(wide, [...lead, ...output.map((size, i) => size * kernel[i]!)]);
  const missing = output.map((size, i) => input[i]! - size * kernel[i]!);
  return emit.pad(joined, [0, 0, ...kernel.map(() => 0)], [0, 0, ...missing]);
}

/** Each share added to all elements of its window: a transposed convolution with ones. */
function spread(call: Call, share: string, window: Window): string {
  const { emit, type } = call;
  const channels = call.fixedDims(call.output(), 1)[0]!;
  const elements = new Array<number>(channels * product(window.kernel)).fill(1);
  const ones = tensor(type, [channels, 1, ...window.kernel], elements);
  const over = leftOver(window);
  const full = { ...window, ends: window.ends.map((end, i) => end - Math.min(0, over[i]!)) };
  const attributes = {
    ...slidingAttributes(full),
    group: channels,
    kernel_shape: window.kernel,
    output_padding: over.map((n) => Math.max(0, n)),
  };
  return emit.node("ConvTranspose", [share, emit.constant(ones)], attributes);
}

/** y = the mean of each window: every element gets its share of dy from each window it is in. */
export const averagePool: RuleEntry = [
  rule((call) => [() => {
    const window = windowOf(call, intsOf(call.node, "kernel_shape")!);
    const share = shares(call, window);
    const within = leftOver(window).every((n) => n >= 0) && reach(window).length > 0;
    return tiles(window) && within ? repeated(call, share, window) : spread(call, share, window);
  }], { since: 7 }),
];

/** y = the mean of each map: dx = dy / size of the map, everywhere. */
export const globalAveragePool: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, type } = call;
    const size = call.fixedDims(call.input(0), 2);
    const share = emit.scale(dy, type, 1 / product(size));
    return emit.expand(share, emit.ints([1, 1, ...size]));
  }]),
];
