import { intOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** The norm along the axis, ∞ where it is 0: y is 0 there, and so shall the gradient be. */
function normOf(call: Call, p: number, axis: number): string {
  const { emit, type } = call;
  const norm = emit.reduce(p === 1 ? "ReduceL1" : "ReduceL2", call.input(0), [axis], true);
  const isZero = emit.equal(norm, emit.scalar(type, 0));
  return emit.node("Where", [isZero, emit.scalar(type, Infinity), norm]);
}

/**
 * y = x / n with the norm n = Σ|x| (p = 1) or √Σx² (p = 2) along one axis:
 * dx = (dy − n' Σ(dy y)) / n, where n' is sign x (p = 1) or y (p = 2).
 */
export const lpNormalization: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, node } = call;
    const [x, y] = [call.input(0), call.output()];
    const p = intOf(node, "p", 2);
    const axis = axisOf(intOf(node, "axis", -1), call.dims(x).length);
    const along = emit.reduceSum(emit.mul(dy, y), [axis], true);
    const slope = p === 1 ? emit.node("Sign", [x]) : y;
    return emit.div(emit.sub(dy, emit.mul(slope, along)), normOf(call, p, axis));
  }], { since: 9 }),
];
