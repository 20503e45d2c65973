import { readsOf } from "../onnx/mod.ts";
import type { Node } from "../onnx/mod.ts";

/**
 * `nodes`, which are in topological order, in the order of a file with which ONNX Runtime computes
 * every result of the graph as soon as it can, and so frees what it was made from.
 *
 * ONNX Runtime does not keep the order of the file. It goes through the nodes that no other node
 * reads from, the last one first, and before each of them computes what that still needs. In the
 * order in which a backward pass is written the gradients of the first layer would come first, then
 * those of all other layers: every activation and every gradient of one would be kept for the end.
 * So the nodes that nothing reads go to the end of the file, the last one first.
 */
export function inReleaseOrder(nodes: readonly Node[]): Node[] {
  const read = new Set(nodes.flatMap((node) => [...readsOf(node)]));
  const isRead = ({ outputs }: Node) => outputs.some((output) => read.has(output));
  const ends = nodes.filter((node) => !isRead(node));
  return [...nodes.filter(isRead), ...ends.toReversed()];
}
