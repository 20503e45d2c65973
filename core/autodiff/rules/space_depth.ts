import { intOf, stringOf } from "../../onnx/mod.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** Blocks of a map become channels: dx puts them back. */
export const spaceToDepth: RuleEntry = [
  rule((call) => [() =>
    call.emit.node("DepthToSpace", [call.dy], {
      blocksize: intOf(call.node, "blocksize", 1),
    })]
  ),
];

/** Channels become blocks of a map; SpaceToDepth undoes it for the order "DCR" alone. */
export const depthToSpace: RuleEntry = [
  rule((call) => [() => {
    const mode = stringOf(call.node, "mode", "DCR");
    if (mode !== "DCR") call.refuse(`mode "${mode}"; only "DCR" is differentiated`);
    return call.emit.node("SpaceToDepth", [call.dy], {
      blocksize: intOf(call.node, "blocksize", 1),
    });
  }]),
];
