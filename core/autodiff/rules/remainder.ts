import { rule, type RuleEntry } from "../rule.ts";

/**
 * y = a − b q with the whole quotient q = (a − y) / b, which is constant almost everywhere:
 * da = dy, db = −dy q. Integers carry no gradient.
 */
export const mod: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    return [() => dy, () => {
      const quotient = emit.div(emit.sub(call.input(0), call.output()), call.input(1));
      return emit.neg(emit.mul(dy, quotient));
    }];
  }, { since: 10, broadcasts: true }),
];
