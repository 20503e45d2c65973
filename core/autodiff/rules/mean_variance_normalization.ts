import { intsOf } from "../../onnx/mod.ts";
import { axisOf } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** What ONNX adds to the standard deviation so that it is not zero. */
const EPSILON = 1e-9;

/**
 * y = (x − mean) / s with the standard deviation s over the axes:
 * dx = (dy − mean(dy) − y mean(dy y)) / s.
 */
export const meanVarianceNormalization: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type, node } = call;
    const [x, y] = [call.input(0), call.output()];
    const rank = call.dims(x).length;
    const axes = (intsOf(node, "axes") ?? [0, 2, 3]).map((axis) => axisOf(axis, rank));
    const mean = (value: string) => emit.reduceMean(value, axes, true);
    const centred = emit.sub(x, mean(x));
    const deviation = emit.node("Sqrt", [mean(emit.mul(centred, centred))]);
    const inner = emit.sub(emit.sub(dy, mean(dy)), emit.mul(y, mean(emit.mul(dy, y))));
    return emit.div(inner, emit.add(deviation, emit.scalar(type, EPSILON)));
  }], { since: 9 }),
];
