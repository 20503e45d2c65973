import { rule, type RuleEntry } from "../rule.ts";

/** y = 1 / (1 + e⁻ˣ): dx = dy (y − y²). */
export const sigmoid: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const y = call.output();
    return [() => emit.mul(dy, emit.sub(y, emit.mul(y, y)))];
  }, { since: 6 }),
];

/** y = tanh x: dx = dy (1 − y²) = dy − dy y². */
export const tanh: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const y = call.output();
    return [() => emit.sub(dy, emit.mul(dy, emit.mul(y, y)))];
  }, { since: 6 }),
];

/** y = ln(1 + eˣ): dx = dy σ(x). */
export const softplus: RuleEntry = [
  rule((call) => [() => call.emit.mul(call.dy, call.emit.node("Sigmoid", [call.input(0)]))]),
];

/** y = x / (1 + |x|): dx = dy / (1 + |x|)². */
export const softsign: RuleEntry = [
  rule((call) => {
    const { dy, emit, type } = call;
    return [() => {
      const size = emit.add(emit.node("Abs", [call.input(0)]), emit.scalar(type, 1));
      return emit.div(dy, emit.mul(size, size));
    }];
  }),
];
