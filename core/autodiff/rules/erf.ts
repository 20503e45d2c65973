import { stringOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";

/** y = erf x: dx = dy 2/√π e^(−x²). */
export const erf: RuleEntry = [
  rule((call) => {
    const { dy, emit, type } = call;
    const x = call.input(0);
    return [() => {
      const bell = emit.node("Exp", [emit.neg(emit.mul(x, x))]);
      return emit.mul(emit.scale(dy, type, 2 / Math.sqrt(Math.PI)), bell);
    }];
  }, { since: 9 }),
];

/** y = x Φ(x): dx = dy (Φ(x) + x φ(x)), Φ and φ being the normal distribution and its density. */
function exactGelu(call: Call, x: string): string {
  const { dy, emit, type } = call;
  const half = emit.node("Erf", [emit.scale(x, type, Math.SQRT1_2)]);
  const below = emit.scale(emit.add(half, emit.scalar(type, 1)), type, 0.5);
  const bell = emit.node("Exp", [emit.scale(emit.mul(x, x), type, -0.5)]);
  const density = emit.scale(bell, type, 1 / Math.sqrt(2 * Math.PI));
  return emit.mul(dy, emit.add(below, emit.mul(x, density)));
}

/**
 * y = x s with s = σ(x (a + b x²)), a = 2√(2/π), b = 0.044715 a (Hendrycks and Gimpel 2016, with
 * tanh z = 2σ(2z) − 1): dx = dy (s + y (a + 3b x²)(1 − s)).
 */
function tanhGelu(call: Call, x: string): string {
  const { dy, emit, type } = call;
  const a = 2 * Math.sqrt(2 / Math.PI);
  const b = 0.044715 * a;
  const square = emit.mul(x, x);
  const inner = emit.add(emit.scale(square, type, b), emit.scalar(type, a));
  const s = emit.node("Sigmoid", [emit.mul(x, inner)]);
  const slope = emit.add(emit.scale(square, type, 3 * b), emit.scalar(type, a));
  const rest = emit.sub(emit.scalar(type, 1), s);
  return emit.mul(dy, emit.add(s, emit.mul(emit.mul(call.output(), slope), rest)));
}

/** The Gaussian error linear unit of opset 20, exact or in its approximation by tanh. */
export const gelu: RuleEntry = [
  rule((call) => {
    const isTanh = stringOf(call.node, "approximate", "none") === "tanh";
    return [() => isTanh ? tanhGelu(call, call.input(0)) : exactGelu(call, call.input(0))];
  }, { since: 20 }),
];

/** ONNX Runtime's exact form, in its own domain. */
export const microsoftGelu: RuleEntry = [rule((call) => [() => exactGelu(call, call.input(0))])];

/** The gradients of y = f(x + bias) from that of x + bias. */
function biased(call: Call, slope: (call: Call, x: string) => string): readonly Gradient[] {
  const x = call.input(0);
  const gradient = () => slope(call, call.has(1) ? call.emit.add(x, call.input(1)) : x);
  return [gradient, () => call.unbroadcast(gradient(), call.dims(call.output()), 1)];
}

/** ONNX Runtime's exact form of x plus a bias. */
export const biasGelu: RuleEntry = [rule((call) => biased(call, exactGelu))];

/** ONNX Runtime's FastGelu: the approximation, of x plus an optional bias. */
export const fastGelu: RuleEntry = [rule((call) => biased(call, tanhGelu))];
