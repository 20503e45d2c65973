import { intsOf } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y has axis perm[i] of x as its axis i: dx is dy under the inverse permutation. */
export const transpose: RuleEntry = [
  rule((call) => {
    const rank = call.dims(call.input(0)).length;
    const perm = intsOf(call.node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [() => call.emit.transpose(call.dy, inverse)];
  }),
];
