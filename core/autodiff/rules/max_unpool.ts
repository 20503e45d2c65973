import { rule, type RuleEntry } from "../rule.ts";

/** y = x put at places that count through all of y, zeros elsewhere: dx = dy taken there. */
export const maxUnpool: RuleEntry = [
  rule((call) => {
    const { emit, dy } = call;
    return [() => emit.node("Gather", [emit.reshape(dy, [-1]), call.input(1)], { axis: 0 })];
  }, { since: 9 }),
];
