import { rule, type RuleEntry } from "../rule.ts";

/** y = a b: da = dy b, db = dy a. */
export const mul: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    return [() => emit.mul(dy, call.input(1)), () => emit.mul(dy, call.input(0))];
  }, { since: 7, broadcasts: true }),
];

/** y = a / b: da = dy / b, db = −(dy / b) y. */
export const div: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const numerator = () => emit.div(dy, call.input(1));
    return [numerator, () => emit.neg(emit.mul(numerator(), call.output()))];
  }, { since: 7, broadcasts: true }),
];

/** y = −x: dx = −dy. */
export const neg: RuleEntry = [rule(({ dy, emit }) => [() => emit.neg(dy)])];

/** y = 1 / x: dx = −dy y². */
export const reciprocal: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const y = call.output();
    return [() => emit.neg(emit.mul(dy, emit.mul(y, y)))];
  }),
];
