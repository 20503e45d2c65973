import { floatOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** 1 where low < x < high and 0 elsewhere. */
function between(call: Call, x: string, low: number, high: number): string {
  const { emit, type } = call;
  const above = emit.node("Greater", [x, emit.scalar(type, low)]);
  const below = emit.node("Less", [x, emit.scalar(type, high)]);
  return emit.indicator(emit.node("And", [above, below]), type);
}

/** y = max(0, min(1, α x + β)): dx = α dy where 0 < y < 1. */
export const hardSigmoid: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, type, node } = call;
    const slope = emit.scale(between(call, call.output(), 0, 1), type, floatOf(node, "alpha", 0.2));
    return emit.mul(dy, slope);
  }], { since: 6 }),
];

/** y = x max(0, min(1, x/6 + 1/2)): dx = dy (x/3 + 1/2) where −3 < x < 3, dy above, 0 below. */
export const hardSwish: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, type } = call;
    const x = call.input(0);
    const inner = emit.add(emit.scale(x, type, 1 / 3), emit.scalar(type, 0.5));
    const above = emit.indicator(emit.node("Greater", [x, emit.scalar(type, 3)]), type);
    const slope = emit.add(emit.mul(inner, between(call, x, -3, 3)), above);
    return emit.mul(dy, slope);
  }], { since: 14 }),
];
