import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** dx = dy p x^(p−1) for one constant exponent p, in as few nodes as p allows. */
function constantPower(call: Call, p: number): string {
  const { dy, emit, type } = call;
  const x = call.input(0);
  if (p === 0) return call.zerosLike(x);
  if (p === 1) return dy;
  if (p === 2) return emit.mul(dy, emit.scale(x, type, 2));
  if (p === 3) return emit.mul(emit.mul(dy, x), emit.scale(x, type, 3));
  if (p === 0.5) return emit.div(emit.scale(dy, type, 0.5), call.output());
  // Pow of any other exponent costs fifty times as much as Div; y / x is right at 0, too, if p < 0.
  if (p < 0) return emit.mul(dy, emit.scale(emit.div(call.output(), x), type, p));
  const slope = emit.scale(emit.node("Pow", [x, emit.scalar(type, p - 1)]), type, p);
  return emit.mul(dy, slope);
}

/** The exponent in the element type of the base; opset 12 lets them differ. */
function exponentOf(call: Call): string {
  const exponent = call.input(1);
  return call.dtype(exponent) === call.type ? exponent : call.emit.cast(exponent, call.type);
}

/** dx = dy p x^(p−1) for many exponents; 0 where p = 0, also at x = 0. */
function variablePower(call: Call, constant: readonly number[] | undefined): string {
  const { dy, emit, type } = call;
  const p = exponentOf(call);
  const power = emit.node("Pow", [call.input(0), emit.sub(p, emit.scalar(type, 1))]);
  const slope = emit.mul(p, power);
  if (constant?.every((exponent) => exponent !== 0)) return emit.mul(dy, slope);
  const zero = emit.scalar(type, 0);
  return emit.mul(dy, emit.node("Where", [emit.equal(p, zero), zero, slope]));
}

/**
 * y = x^p: dx = dy p x^(p−1), dp = dy y ln x. Where x = 0 the latter is 0, its limit for p > 0;
 * where x < 0 it is not a number, as y has no derivative in p there.
 */
export const pow: RuleEntry = [
  rule((call) => {
    const { dy, emit, type } = call;
    const x = call.input(0);
    const constant = call.constant(1);
    return [
      () =>
        constant?.length === 1 ? constantPower(call, constant[0]!) : variablePower(call, constant),
      () => {
        const atZero = emit.equal(x, emit.scalar(type, 0));
        const positive = emit.node("Where", [atZero, emit.scalar(type, 1), x]);
        return emit.mul(dy, emit.mul(call.output(), emit.node("Log", [positive])));
      },
    ];
  }, { since: 7, broadcasts: true }),
];
