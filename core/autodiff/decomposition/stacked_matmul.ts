import { type Attribute, type Extent, intOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { MICROSOFT } from "../emit.ts";

/**
 * FusedMatMul of stacks that have their rows in front ([rows, stack…, columns], transBatchA and
 * transBatchB): a Transpose of its own brings the stack forward.
 */
export function stackedMatMul(call: Call): (string | undefined)[] {
  const { node, emit } = call;
  const factor = (i: number, flag: string): string => {
    const x = call.input(i);
    const dims: readonly Extent[] = call.dims(x);
    if (intOf(node, flag, 0) === 0 || dims.length < 3) return x;
    const stack = dims.slice(1, -1).map((_, axis) => axis + 1);
    return emit.transpose(x, [...stack, 0, dims.length - 1]);
  };
  const inputs = [factor(0, "transBatchA"), factor(1, "transBatchB")];
  const kept = ["transA", "transB", "alpha"].flatMap((key): [string, Attribute][] => {
    const attribute = node.attributes[key];
    return attribute === undefined ? [] : [[key, attribute]];
  });
  return [emit.node("FusedMatMul", inputs, Object.fromEntries(kept), MICROSOFT)];
}
