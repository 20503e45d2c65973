import { chosen } from "../formulation.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { dataFormulations } from "./conv_data.ts";
import { convShapeOf } from "./conv_shape.ts";
import { weightFormulations } from "./conv_weight.ts";

/**
 * y = x ∗ W + b, a correlation in any number of spatial dimensions: dx and dW have several
 * formulations, of which the fastest depends on the shape; db = Σ dy over samples and positions.
 */
export const conv: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const shape = convShapeOf(call);
    const about = { operator: "Conv", shape } as const;
    const data = () => chosen({ ...about, gradient: "data" }, dataFormulations, call);
    const weight = () => chosen({ ...about, gradient: "weight" }, weightFormulations, call);
    const spatial = shape.window.kernel.map((_, i) => i + 2);
    return [
      () => data().emit(call, shape),
      () => weight().emit(call, shape),
      () => {
        // Two sums over axes that lie together take less than one over axes that do not.
        const each = emit.reduceSum(dy, spatial, false);
        const [samples] = call.dims(call.output());
        return emit.sumOverLeading(each, [samples!, shape.filters], 1, call.type);
      },
    ];
  }),
];
