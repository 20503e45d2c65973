import { type Graph, intOf, type Node, stringOf } from "../../onnx/mod.ts";
import { writeCorrelation } from "./correlated.ts";
import { blockedFilter, kindOf, wholeGroups } from "./filters.ts";
import { paddedWidth } from "./padded_width.ts";
import { BLOCKED, perAxis, Rewriting } from "./rewriting.ts";
import { isSampleChannels, writeSampleChannels } from "./sample_channels.ts";
import { writeTransposed } from "./transposed.ts";

/** Writes a convolution over the blocked layout; false where its kernels cannot compute it. */
function writeConvolution(to: Rewriting, node: Node, block: number): boolean {
  const [x, given, bias] = node.inputs as [string, string, string | undefined];
  const known = to.sizes(given);
  // A constant weight is what ONNX Runtime itself brings into blocks, once and for all.
  if (known?.length !== 4 || to.isConstant(given)) return false;
  const { weight, sizes, groups } = wholeGroups(
    to,
    { weight: given, sizes: known, groups: intOf(node, "group", 1) },
    block,
  );
  const kind = kindOf(sizes, groups, block);
  if (kind === undefined) return false;
  const [, , height, width] = sizes;
  const strides = perAxis(node, "strides", 2, 1);
  if (kind !== "depthwise") {
    if (height === undefined || width === undefined) return false;
    // A kernel of one element is a matrix product as it stands.
    if ([height, width, ...strides].every((n) => n === 1)) return false;
  } else if (height === undefined && width === undefined) return false;
  const { kernel_shape: _, ...rest } = node.attributes;
  const { maps: input, pads } = paddedWidth(
    to,
    { maps: kind === "shallow" ? x : to.reordered(x), pads: perAxis(node, "pads", 4, 0) },
    { kind, channels: sizes[1]! * groups, block, kernel: width, stride: strides[1]! },
  );
  const attributes = { ...rest, group: groups, pads };
  const filter = blockedFilter(to, weight, sizes, kind, block);
  const inputs = bias === undefined || bias === "" ? [input, filter] : [input, filter, bias];
  const maps = to.node("Conv", inputs, attributes, BLOCKED);
  to.emit("ReorderOutput", [maps], { channels: sizes[0]! }, BLOCKED, node.outputs[0]!);
  return true;
}

function write(to: Rewriting, node: Node, block: number, samples: number | undefined): boolean {
  if (node.domain !== "" || stringOf(node, "auto_pad", "NOTSET") !== "NOTSET") return false;
  if (node.op === "Conv") {
    if (writeCorrelation(to, node, block, samples)) return true;
    return !isSampleChannels(to, node, block, samples) && writeConvolution(to, node, block);
  }
  if (node.op === "Transpose") return writeSampleChannels(to, node, block, samples);
  return node.op === "ConvTranspose" && writeTransposed(to, node, block);
}

/**
 * The same graph with two-dimensional convolutions whose weights are fed, as training feeds them,
 * in the layout [N, C / block, H, W, block] of `com.microsoft.nchwc`. ONNX Runtime's fastest
 * convolutions take only that, and it brings only constant weights into it by itself.
 *
 * @param block elements of a block: a property of the machine, see `blockSize`
 * @param samples the usual number of samples; the graph still takes any
 */
export function blockedGraph(graph: Graph, block: number, samples?: number): Graph {
  const floats = new Set([...graph.inputs, ...graph.initializers.values()].map((o) => o.dtype));
  if (floats.has("float64") || floats.has("float16")) return graph;
  const to = new Rewriting(graph);
  for (const node of graph.nodes) if (!write(to, node, block, samples)) to.keep(node);
  return to.graph();
}
