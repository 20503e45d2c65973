import { intOf } from "../../onnx/mod.ts";
import { axisOf } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { scatterElements } from "./scatter_elements.ts";

/**
 * y = the slices of x along an axis (or, without one, the elements in their order) for which a
 * condition holds: dx = dy in their places. The condition may be shorter than the axis.
 */
export const compress: RuleEntry = [
  rule((call) => {
    const { emit, dy, node } = call;
    const x = call.input(0);
    const dims = call.dims(x);
    // Where the condition is fed, the size of y is that of no other value.
    const kept = () => emit.reshape(emit.node("NonZero", [call.input(1)]), [-1]);
    const put = "none";
    return [() => {
      if (node.attributes["axis"] === undefined) {
        const flat = emit.reshape(call.zerosLike(x), [-1]);
        return call.reshapeLike(scatterElements(call, flat, kept(), dy, { axis: 0, put }), x);
      }
      const axis = axisOf(intOf(node, "axis", 0), dims.length);
      const column = emit.reshape(kept(), dims.map((_, i) => i === axis ? -1 : 1));
      const places = emit.expand(column, emit.node("Shape", [dy]));
      return scatterElements(call, call.zerosLike(x), places, dy, { axis, put });
    }, undefined];
  }, { since: 9 }),
];
