import { rule, type RuleEntry } from "../rule.ts";
import { oneMinusSquare } from "./trigonometric.ts";

/** y = sinh x: dx = dy cosh x. */
export const sinh: RuleEntry = [
  rule((call) => [() => call.emit.mul(call.dy, call.emit.node("Cosh", [call.input(0)]))], {
    since: 9,
  }),
];

/** y = cosh x: dx = dy sinh x. */
export const cosh: RuleEntry = [
  rule((call) => [() => call.emit.mul(call.dy, call.emit.node("Sinh", [call.input(0)]))], {
    since: 9,
  }),
];

/** y = arsinh x: dx = dy / √(x² + 1). */
export const asinh: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const x = call.input(0);
    const square = emit.add(emit.mul(x, x), emit.scalar(type, 1));
    return emit.div(dy, emit.node("Sqrt", [square]));
  }], { since: 9 }),
];

/** y = arcosh x: dx = dy / √(x² − 1), as (x − 1)(x + 1) to keep its digits close to x = 1. */
export const acosh: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const [x, one] = [call.input(0), emit.scalar(type, 1)];
    const square = emit.mul(emit.sub(x, one), emit.add(x, one));
    return emit.div(dy, emit.node("Sqrt", [square]));
  }], { since: 9 }),
];

/** y = artanh x: dx = dy / (1 − x²). */
export const atanh: RuleEntry = [
  rule((call) => [() => call.emit.div(call.dy, oneMinusSquare(call))], { since: 9 }),
];
