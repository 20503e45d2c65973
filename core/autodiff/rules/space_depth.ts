import { intOf, stringOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** Blocks of a map become channels: dx puts them back. */
export const spaceToDepth: RuleEntry = [
  rule((call) => [() =>
    call.emit.node("DepthToSpace", [call.dy], {
      blocksize: intOf(call.node, "blocksize", 1),
    })]
  ),
];

/** Blocks of dy become channels in the order "CRD", which SpaceToDepth does not have. */
function columnsOfBlocks(call: Call, block: number): string {
  const { emit, dy } = call;
  const x = call.dims(call.input(0));
  const [channels, height, width] = call.fixedDims(call.input(0), 1);
  const apart = [x[0]!, channels! / block ** 2, height!, block, width!, block];
  const turned = emit.transpose(emit.reshape(dy, apart), [0, 1, 3, 5, 2, 4]);
  return emit.reshape(turned, x);
}

/** Channels become blocks of a map: dx takes the blocks apart in the same order. */
export const depthToSpace: RuleEntry = [
  rule((call) => [() => {
    const blocksize = intOf(call.node, "blocksize", 1);
    const mode = stringOf(call.node, "mode", "DCR");
    if (mode === "CRD") return columnsOfBlocks(call, blocksize);
    return call.emit.node("SpaceToDepth", [call.dy], { blocksize });
  }]),
];
