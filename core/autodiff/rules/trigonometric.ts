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
