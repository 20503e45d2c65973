import { rule, type RuleEntry } from "../rule.ts";

/**
 * An operator that has its gradient by being written out in plain operators before a graph is
 * differentiated; see `decompose.ts`.
 */
export const writtenOut: RuleEntry = [
  rule((call) => call.refuse("it must be written out in plain operators first (decomposed)")),
];
