import { intOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** The axes over which probabilities sum to one: before opset 13 all from `axis` on, then one. */
function axesOf(call: Call): number[] {
  const rank = call.dims(call.output()).length;
  const axis = axisOf(intOf(call.node, "axis", call.opset < 13 ? 1 : -1), rank);
  return call.opset < 13 ? Array.from({ length: rank - axis }, (_, i) => axis + i) : [axis];
}

/** y = softmax x: dx = t − y Σt with t = y dy. */
export const softmax: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const y = call.output();
    return [() => {
      const t = emit.mul(y, dy);
      return emit.sub(t, emit.mul(y, emit.reduceSum(t, axesOf(call), true)));
    }];
  }),
];

/** y = ln softmax x: dx = dy − eʸ Σdy. */
export const logSoftmax: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    return [() => {
      const probabilities = emit.node("Exp", [call.output()]);
      return emit.sub(dy, emit.mul(probabilities, emit.reduceSum(dy, axesOf(call), true)));
    }];
  }),
];
