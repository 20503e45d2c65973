import { intsOf, stringOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** Elements added before and after each axis: an attribute before opset 11, then an input. */
function padsOf(call: Call): { begins: number[]; ends: number[] } {
  const rank = call.dims(call.input(0)).length;
  const pads = intsOf(call.node, "pads") ?? call.constantOrRefuse(1, "pads");
  const given = call.has(3) ? call.constantOrRefuse(3, "axes") : undefined;
  const axes = given?.map((axis) => axisOf(axis, rank)) ?? pads.slice(0, rank).map((_, i) => i);
  const [begins, ends] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)];
  axes.forEach((axis, i) => {
    begins[axis] = pads[i]!;
    ends[axis] = pads[axes.length + i]!;
  });
  return { begins, ends };
}

/** y = x with a constant around it: dx is dy without the border; the constant gets the rest. */
export const pad: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const mode = stringOf(call.node, "mode", "constant");
    if (mode !== "constant") call.refuse(`mode "${mode}"; only "constant" is differentiated`);
    const inner = () => {
      const { begins, ends } = padsOf(call);
      return emit.pad(dy, begins.map((n) => -n), ends.map((n) => -n));
    };
    const total = (value: string, of: string) =>
      emit.reduceSum(value, call.dims(of).map((_, axis) => axis), false);
    return [inner, undefined, () => {
      const border = emit.sub(total(dy, call.output()), total(inner(), call.input(0)));
      return emit.reshape(border, call.dims(call.input(2)));
    }];
  }, { since: 2 }),
];
