import { floatOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y = x s with s = σ(α x): dx = dy (s + α y (1 − s)). */
function sigmoidGated(call: Call, alpha: number): string {
  const { dy, emit, type } = call;
  const s = emit.node("Sigmoid", [emit.scale(call.input(0), type, alpha)]);
  const rest = emit.sub(emit.scalar(type, 1), s);
  const bend = emit.scale(emit.mul(call.output(), rest), type, alpha);
  return emit.mul(dy, emit.add(s, bend));
}

/** Swish (Ramachandran et al. 2017), which is SiLU for α = 1. */
export const swish: RuleEntry = [
  rule((call) => [() => sigmoidGated(call, floatOf(call.node, "alpha", 1))], { since: 24 }),
];

/** ONNX Runtime's QuickGelu: a Gelu approximated by a sigmoid (Hendrycks and Gimpel 2016). */
export const quickGelu: RuleEntry = [
  rule((call) => [() => sigmoidGated(call, floatOf(call.node, "alpha", 1.702))]),
];

/**
 * y = x t with t = tanh(ln(1 + eˣ)) (Misra 2019): dx = dy (t + x s (1 − t²)), s = σ(x), where
 * x (1 − t²) is x − y t. With n = s (2 − s), t is n / (2 − n); Softplus and Tanh cost five times
 * as much.
 */
export const mish: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const [x, two] = [call.input(0), emit.scalar(type, 2)];
    const s = emit.node("Sigmoid", [x]);
    const n = emit.mul(s, emit.sub(two, s));
    const t = emit.div(n, emit.sub(two, n));
    const bend = emit.sub(x, emit.mul(call.output(), t));
    return emit.mul(dy, emit.add(t, emit.mul(s, bend)));
  }], { since: 18 }),
];
