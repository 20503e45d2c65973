import { intOf, intsOf, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { area } from "./conv_shape.ts";
import { leftOver, type Window, windowOf } from "./window.ts";
import { elementsRead, spreadOverWindows } from "./window_sum.ts";

/** First opset of Resize in the form that is used. */
const RESIZE_OPSET = 13;

/** By how many elements the window at output `o` divides along one axis. */
function divisor(window: Window, axis: number, o: number, withPadding: boolean): number {
  if (!withPadding) return elementsRead(window, axis, o).length;
  const { strides, begins, ends, dilations, kernel, input } = window;
  const first = o * strides[axis]! - begins[axis]!;
  const places = Array.from({ length: kernel[axis]! }, (_, k) => first + k * dilations[axis]!);
  return places.filter((place) => place < input[axis]! + ends[axis]!).length;
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
    const share = (axis: number, o: number) => 1 / divisor(window, axis, o, withPadding);
    return spreadOverWindows(call, call.dy, window, share);
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
