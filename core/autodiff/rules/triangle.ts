import { intOf } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** y keeps a triangle of each matrix of x and is 0 elsewhere: dx keeps the same triangle of dy. */
export const trilu: RuleEntry = [
  rule((call) => [() => {
    const offset = call.has(1) ? [call.input(1)] : [];
    return call.emit.node("Trilu", [call.dy, ...offset], { upper: intOf(call.node, "upper", 1) });
  }, undefined], { since: 14 }),
];
