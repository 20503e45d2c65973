import { floatOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** First opset that has the operator Where. */
const WHERE = 9;

/**
 * dy `above` where x > 0, else dy (`factor` y + `shift`): an exponential below zero has a slope
 * that is linear in y. Where `signed`, y has the sign of x, so that x need not be kept; if the
 * slope has no step at 0 it is then the lesser of the two.
 */
function exponentialBelow(
  call: Call,
  o: { above: number; factor: number; shift: number; signed: boolean },
): string {
  const { dy, emit, type } = call;
  const y = call.output();
  const below = emit.add(emit.scale(y, type, o.factor), emit.scalar(type, o.shift));
  const above = emit.scalar(type, o.above);
  if (o.signed && o.factor > 0 && o.above === o.shift) {
    return emit.mul(dy, emit.node("Min", [below, above]));
  }
  const isAbove = emit.node("Greater", [o.signed ? y : call.input(0), emit.scalar(type, 0)]);
  return emit.mul(dy, emit.node("Where", [isAbove, above, below]));
}

/** y = x > 0 ? x : α(eˣ − 1): dx = dy (x > 0 ? 1 : y + α). */
export const elu: RuleEntry = [
  rule((call) => {
    const alpha = floatOf(call.node, "alpha", 1);
    return [
      () => exponentialBelow(call, { above: 1, factor: 1, shift: alpha, signed: alpha >= 0 }),
    ];
  }, { since: WHERE }),
];

/** y = x > 0 ? x : α(e^(x/α) − 1) (Barron 2017): dx = dy (x > 0 ? 1 : y/α + 1). */
export const celu: RuleEntry = [
  rule((call) => {
    const factor = 1 / floatOf(call.node, "alpha", 1);
    return [() => exponentialBelow(call, { above: 1, factor, shift: 1, signed: true })];
  }, { since: 12 }),
];

/** The constants of Klambauer et al. (2017), for which activations normalise themselves. */
const SELU = { alpha: 1.6732632423543772, gamma: 1.0507009873554805 };

/** y = γ (x > 0 ? x : α(eˣ − 1)): dx = dy (x > 0 ? γ : y + γα). */
export const selu: RuleEntry = [
  rule((call) => {
    const alpha = floatOf(call.node, "alpha", SELU.alpha);
    const above = floatOf(call.node, "gamma", SELU.gamma);
    const signed = alpha >= 0 && above > 0;
    return [() => exponentialBelow(call, { above, factor: 1, shift: above * alpha, signed })];
  }, { since: WHERE }),
];
