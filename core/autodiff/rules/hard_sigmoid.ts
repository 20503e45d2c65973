import { floatOf } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = max(0, min(1, α x + β)): dx = α dy where 0 < y < 1. */
export const hardSigmoid: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, type, node } = call;
    const y = call.output();
    const above = emit.node("Greater", [y, emit.scalar(type, 0)]);
    const below = emit.node("Less", [y, emit.scalar(type, 1)]);
    const inside = emit.indicator(emit.node("And", [above, below]), type);
    return emit.mul(dy, emit.scale(inside, type, floatOf(node, "alpha", 0.2)));
  }], { since: 6 }),
];

/**
 * y = x max(0, min(1, x/6 + 1/2)): dx = dy (x/3 + 1/2) where −3 ≤ x ≤ 3, dy above, 0 below. With
 * c = max(−3, min(3, x)) that is dy ((c + x [c = x])/6 + 1/2).
 */
export const hardSwish: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, type } = call;
    const x = call.input(0);
    const clipped = emit.node("Clip", [x, emit.scalar(type, -3), emit.scalar(type, 3)]);
    const inside = emit.mul(x, emit.indicator(emit.equal(x, clipped), type));
    const slope = emit.scale(emit.add(clipped, inside), type, 1 / 6);
    return emit.mul(dy, emit.add(slope, emit.scalar(type, 0.5)));
  }], { since: 14 }),
];
