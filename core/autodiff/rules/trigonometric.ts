import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = sin x: dx = dy cos x. */
export const sin: RuleEntry = [
  rule((call) => [() => call.emit.mul(call.dy, call.emit.node("Cos", [call.input(0)]))], {
    since: 7,
  }),
];

/** y = cos x: dx = −dy sin x. */
export const cos: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy } = call;
    return emit.neg(emit.mul(dy, emit.node("Sin", [call.input(0)])));
  }], { since: 7 }),
];

/** y = tan x: dx = dy (1 + y²) = dy + dy y². */
export const tan: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy } = call;
    const y = call.output();
    return emit.add(dy, emit.mul(dy, emit.mul(y, y)));
  }], { since: 7 }),
];

/** 1 − x² as (1 − x)(1 + x), which keeps its digits where |x| is close to 1. */
export function oneMinusSquare(call: Call): string {
  const { emit, type } = call;
  const [x, one] = [call.input(0), emit.scalar(type, 1)];
  return emit.mul(emit.sub(one, x), emit.add(one, x));
}

/** dy / √(1 − x²). */
function arcSlope(call: Call): string {
  return call.emit.div(call.dy, call.emit.node("Sqrt", [oneMinusSquare(call)]));
}

/** y = arcsin x: dx = dy / √(1 − x²). */
export const asin: RuleEntry = [rule((call) => [() => arcSlope(call)], { since: 7 })];

/** y = arccos x: dx = −dy / √(1 − x²). */
export const acos: RuleEntry = [
  rule((call) => [() => call.emit.neg(arcSlope(call))], { since: 7 }),
];

/** y = arctan x: dx = dy / (1 + x²). */
export const atan: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, type } = call;
    const x = call.input(0);
    return emit.div(dy, emit.add(emit.mul(x, x), emit.scalar(type, 1)));
  }], { since: 7 }),
];
