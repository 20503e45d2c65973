import { intOf } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { namedRows, putRows } from "./named_rows.ts";

/** y = the parts of x that tuples of indices name: dx adds up dy where it came from. */
export const gatherNd: RuleEntry = [
  rule((call) => {
    const rows = () => namedRows(call, intOf(call.node, "batch_dims", 0));
    return [() => putRows(call, rows(), { updates: call.dy, put: "add" }), undefined];
  }, { since: 11 }),
];
