import { rule, type RuleEntry } from "../rule.ts";

/** y = x broadcast to a shape: dx = dy, summed back by the walker. */
export const expand: RuleEntry = [
  rule(({ dy }) => [() => dy, undefined], { since: 8, broadcasts: true }),
];
