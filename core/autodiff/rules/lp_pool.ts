import { intOf, intsOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { windowOf } from "./window.ts";
import { spreadOverWindows } from "./window_sum.ts";

/** sign(x) |x|^(p − 1): what an element weighs in the gradient of Σ|x|^p, but for p. */
function slope(call: Call, p: number): string {
  const { emit, type } = call;
  const x = call.input(0);
  if (p === 2) return x;
  if (p === 1) return emit.node("Sign", [x]);
  const size = p === 3
    ? emit.node("Abs", [x])
    : emit.node("Pow", [emit.node("Abs", [x]), emit.scalar(type, p - 2)]);
  return emit.mul(x, size);
}

/** dy / y^(p − 1), and 0 where y is 0: there every element of the window is. */
function scaled(call: Call, p: number): string {
  const { emit, dy, type } = call;
  if (p === 1) return dy;
  const y = call.output();
  const zero = emit.scalar(type, 0);
  const power = p === 2 ? y : emit.node("Pow", [y, emit.scalar(type, p - 1)]);
  return emit.node("Where", [emit.node("Greater", [y, zero]), emit.div(dy, power), zero]);
}

/** y = (Σ|x|^p)^(1/p) over each window: dx = sign(x) |x|^(p − 1) Σ dy / y^(p − 1) over windows. */
export const lpPool: RuleEntry = [
  rule((call) => [() => {
    const { emit, node } = call;
    const p = intOf(node, "p", 2);
    const window = windowOf(call, intsOf(node, "kernel_shape")!);
    return emit.mul(slope(call, p), spreadOverWindows(call, scaled(call, p), window, () => 1));
  }], { since: 7 }),
];

/** y = (Σ|x|^p)^(1/p) over each map. */
export const globalLpPool: RuleEntry = [
  rule((call) => [() => {
    const p = intOf(call.node, "p", 2);
    return call.emit.mul(slope(call, p), scaled(call, p));
  }]),
];
