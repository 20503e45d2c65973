import type { Graph, Node } from "./graph.ts";
import { withInputsRenamed } from "./subgraphs.ts";
import { type Tensor, tensor } from "./tensor.ts";

/**
 * The graph with Constant nodes turned into initializers, and Identity nodes over initializers
 * replaced by what they pass on. A node that gives a graph output stays. The nodes must be in
 * topological order.
 *
 * Exporters use Identity to share one parameter between several layers; it is one parameter
 * afterwards, as it was in the file.
 */
export function withConstantsAsInitializers(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const aliases = new Map<string, string>();
  const nodes: Node[] = [];
  for (const original of graph.nodes) {
    const node = withInputsRenamed(original, aliases);
    const output = node.outputs[0];
    const input = node.inputs[0];
    const replaceable = node.domain === "" && node.outputs.length === 1 && output !== undefined &&
      !outputs.has(output) && !initializers.has(output);
    if (replaceable && node.op === "Identity" && input !== undefined && initializers.has(input)) {
      aliases.set(output, input);
      continue;
    }
    const value = replaceable && node.op === "Constant" ? constantOf(node) : undefined;
    if (value === undefined) nodes.push(node);
    else initializers.set(output!, value);
  }
  return { ...graph, nodes, initializers };
}

/** The value of a Constant node; undefined for strings and sparse tensors. */
export function constantOf(node: Node): Tensor | undefined {
  const attributes = Object.entries(node.attributes);
  if (attributes.length !== 1) return undefined;
  const [key, attribute] = attributes[0]!;
  switch (attribute.type) {
    case "tensor":
      return key === "value" ? attribute.value : undefined;
    case "float":
      return tensor("float32", [], [attribute.value]);
    case "floats":
      return tensor("float32", [attribute.value.length], attribute.value);
    case "int":
      return int64Tensor([], [attribute.value]);
    case "ints":
      return int64Tensor([attribute.value.length], attribute.value);
    default:
      return undefined;
  }
}

/** 2^63 - 1, "to the end", is 2^63 as a number, which would wrap around to the smallest integer. */
function int64Tensor(dims: readonly number[], values: readonly number[]): Tensor {
  const wide = BigInt64Array.from(
    values,
    (value) => value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value),
  );
  return { dtype: "int64", dims, bytes: new Uint8Array(wide.buffer) };
}
