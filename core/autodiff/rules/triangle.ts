import { intOf } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y keeps a triangle of each matrix of x and is 0 elsewhere: dx keeps the same triangle of dy. */
export const trilu: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, node } = call;
    const offset = call.has(1) ? [call.input(1)] : [];
    return emit.node("Trilu", [dy, ...offset], { upper: intOf(node, "upper", 1) }, node.domain);
  }, undefined], { since: 14 }),
];
