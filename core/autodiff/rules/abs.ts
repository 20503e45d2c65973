import { rule, type RuleEntry } from "../rule.ts";

/** y = |x|: dx = dy sign(x), which is 0 at x = 0. */
export const abs: RuleEntry = [
  rule((call) => [() => call.emit.mul(call.dy, call.emit.node("Sign", [call.input(0)]))], {
    since: 6,
  }),
];
