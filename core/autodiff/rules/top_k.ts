import { intOf } from "../../onnx/mod.ts";
import { axisOf } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { scatterElements } from "./scatter_elements.ts";

/** y = the k largest or smallest of x along an axis: dy goes back to where they were. */
export const topK: RuleEntry = [
  rule((call) => {
    const { dy, node } = call;
    const x = call.input(0);
    const axis = axisOf(intOf(node, "axis", -1), call.dims(x).length);
    // No element is taken twice, so there is nothing to add.
    const o = { axis, put: "none" } as const;
    return [() => scatterElements(call, call.zerosLike(x), call.output(1), dy, o), undefined];
  }, { since: 9 }),
];
