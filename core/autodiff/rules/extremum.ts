import { rule, type RuleEntry } from "../rule.ts";

/**
 * y = max or min of the inputs, element by element. The gradient goes to the input that attained
 * the extremum; where several did, each gets an equal share.
 */
export const extremum: RuleEntry = [
  rule((call) => {
    const { dy, emit, type, node } = call;
    const attained = (input: string) => emit.indicator(emit.equal(input, call.output()), type);
    return node.inputs.map((input) => () => {
      if (node.inputs.length === 1) return dy;
      const ties = emit.sum(node.inputs.map(attained));
      return emit.mul(attained(input), emit.div(dy, ties));
    });
  }, { since: 8, broadcasts: true }),
];
