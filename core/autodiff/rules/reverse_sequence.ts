import { rule, type RuleEntry } from "../rule.ts";

/** y = x with the first elements of each sequence in reverse order, which undoes itself. */
export const reverseSequence: RuleEntry = [
  rule((call) => {
    const { emit, dy, node } = call;
    const { batch_axis, time_axis } = node.attributes;
    const attributes = {
      ...(batch_axis === undefined ? {} : { batch_axis }),
      ...(time_axis === undefined ? {} : { time_axis }),
    };
    return [() => emit.node("ReverseSequence", [dy, call.input(1)], attributes), undefined];
  }, { since: 10 }),
];
