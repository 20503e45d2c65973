import type { Call } from "../call.ts";
import { float } from "../emit.ts";
import { floatOf } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { meetsPole } from "./pole.ts";
import { gatedByPooling } from "./pool_gate.ts";

/** Times the smallest normal float32 it is above 1, and not infinite. */
const STEEP = 3.4e38;

/**
 * 1 where `y` is positive and 0 elsewhere. For float32 a hard sigmoid, min(max(STEEP y, 0), 1), is
 * one pass where a comparison and a cast are two with slower kernels; subnormal numbers may give
 * something between.
 */
function positive(call: Call, y: string): string {
  const { emit, type } = call;
  if (type === "float32") {
    return emit.node("HardSigmoid", [y], { alpha: float(STEEP), beta: float(0) });
  }
  return emit.indicator(emit.node("Greater", [y, emit.scalar(type, 0)]), type);
}

/**
 * dy where `y` is positive and 0 elsewhere. A product takes half the time of a choice, but makes
 * NaN of an infinite dy where y is 0; so dy is chosen where something behind y can make it so.
 */
export function wherePositive(call: Call, y: string): string {
  const { dy, emit, type, around } = call;
  if (type === "float32" && !meetsPole(y, around)) return emit.mul(dy, positive(call, y));
  const zero = emit.scalar(type, 0);
  return emit.node("Where", [emit.node("Greater", [y, zero]), dy, zero]);
}

/**
 * y = max(x, 0): dx = dy [y > 0]. It reads y, not x, so that a convolution and its Relu may still
 * be fused into one kernel. Where all of y goes into max-pooling, that rule has applied the gate
 * already, to the smaller pooled map.
 */
export const relu: RuleEntry = [
  rule((call) => {
    const y = call.output();
    return [() => gatedByPooling(y, call.around) ? call.dy : wherePositive(call, y)];
  }, { since: 6 }),
];

/** y = x > 0 ? x : α x: dx = x > 0 ? dy : α dy. For α > 0, x and y have the same sign. */
export const leakyRelu: RuleEntry = [
  rule((call) => {
    const { dy, emit, type, node } = call;
    const alpha = floatOf(node, "alpha", 0.01);
    return [() => {
      const sign = positive(call, alpha > 0 ? call.output() : call.input(0));
      const slope = emit.add(emit.scale(sign, type, 1 - alpha), emit.scalar(type, alpha));
      return emit.mul(dy, slope);
    }];
  }, { since: 6 }),
];

/** y = x > 0 ? x : s x with a learned slope s: dx = dy (x > 0 ? 1 : s), ds = dy min(x, 0). */
export const pRelu: RuleEntry = [
  rule((call) => {
    const { dy, emit, type } = call;
    const [x, zero] = [call.input(0), emit.scalar(type, 0)];
    return [
      () => {
        const isPositive = emit.node("Greater", [x, zero]);
        return emit.mul(dy, emit.node("Where", [isPositive, emit.scalar(type, 1), call.input(1)]));
      },
      () => emit.mul(dy, emit.node("Min", [x, zero])),
    ];
  }, { since: 9, broadcasts: true }),
];

/** y = x > α ? x : 0: dx = dy [x > α]. For α ≥ 0 that is where y is positive. */
export const thresholdedRelu: RuleEntry = [
  rule((call) => {
    const { dy, emit, type, node } = call;
    const alpha = floatOf(node, "alpha", 1);
    return [() => {
      if (alpha >= 0) return wherePositive(call, call.output());
      const above = emit.node("Greater", [call.input(0), emit.scalar(type, alpha)]);
      return emit.mul(dy, emit.indicator(above, type));
    }];
  }),
];

/** y = x moved towards 0 by the bias where |x| > λ, else 0: dx = dy [|x| > λ]. */
export const shrink: RuleEntry = [
  rule((call) => {
    const { dy, emit, type, node } = call;
    return [() => {
      const lambda = emit.scalar(type, floatOf(node, "lambd", 0.5));
      const beyond = emit.node("Greater", [emit.node("Abs", [call.input(0)]), lambda]);
      return emit.mul(dy, emit.indicator(beyond, type));
    }];
  }, { since: 9 }),
];
