import { axisOf } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { intOf, tensor } from "../../onnx/mod.ts";

/**
 * y = off + (on − off) h for the one-hot vectors h of the indices and values = [off, on]: the
 * gradient of `on` is Σ dy h, that of `off` is the rest of Σ dy.
 */
export const oneHot: RuleEntry = [
  rule((call) => {
    const { emit, dy, type, node } = call;
    return [undefined, undefined, () => {
      const axis = axisOf(intOf(node, "axis", -1), call.dims(call.output()).length);
      const bits = emit.constant(tensor(type, [2], [0, 1]));
      const hot = emit.node("OneHot", [call.input(0), call.input(1), bits], { axis });
      const axes = call.dims(call.output()).map((_, i) => i);
      const total = (value: string) => emit.reshape(emit.reduceSum(value, axes, false), [1]);
      const on = total(emit.mul(dy, hot));
      return emit.concat([emit.sub(total(dy), on), on], 0);
    }];
  }, { since: 9 }),
];
