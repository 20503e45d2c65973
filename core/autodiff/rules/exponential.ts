import { rule, type RuleEntry } from "../rule.ts";

/** y = eˣ: dx = dy y. */
export const exp: RuleEntry = [
  rule((call) => [() => call.emit.mul(call.dy, call.output())]),
];

/** y = ln x: dx = dy / x. */
export const log: RuleEntry = [
  rule((call) => [() => call.emit.div(call.dy, call.input(0))]),
];

/** y = √x: dx = dy / 2y. */
export const sqrt: RuleEntry = [
  rule((call) => {
    const { dy, emit, type } = call;
    return [() => emit.div(emit.scale(dy, type, 0.5), call.output())];
  }),
];
