import { rule, type RuleEntry } from "../rule.ts";

/** y = |x|: dx = dy sign(x), which is 0 at x = 0. Sign is there from opset 9 on. */
export const abs: RuleEntry = [
  rule((call) => [() => call.emit.mul(call.dy, call.emit.node("Sign", [call.input(0)]))], {
    since: 9,
  }),
];
