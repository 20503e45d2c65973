import { RavnError } from "../error.ts";
import {
  consumers,
  type Graph,
  type Node,
  withInputsRenamed,
  withoutDeadNodes,
} from "../onnx/mod.ts";

/**
 * The graph as it runs after training: Dropout falls away, BatchNormalization normalises by its
 * running statistics, MaxPool gives no indices unless something reads them. Names of values stay;
 * nodes and constants that no output needs any more go.
 *
 * @throws {RavnError} naming the node, where an output that only training has is read.
 */
export function inferenceForm(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const readers = consumers(graph);
  const isRead = (value: string) => value !== "" && (readers.has(value) || outputs.has(value));
  /** What stands in for the output of a node that fell away. */
  const replacement = new Map<string, string>();
  const nodes: Node[] = [];
  for (const original of graph.nodes) {
    const node = withInputsRenamed(original, replacement);
    const made = node.domain === "" ? withoutTraining(node, isRead) : node;
    const [y = ""] = made.outputs;
    if (node.op === "Dropout" && node.domain === "" && !outputs.has(y)) {
      replacement.set(y, made.inputs[0]!);
    } else {
      nodes.push(made);
    }
  }
  return withoutDeadNodes({ ...graph, nodes });
}

function withoutTraining(node: Node, isRead: (value: string) => boolean): Node {
  const secondary = node.outputs.slice(1).find(isRead);
  const [y = ""] = node.outputs;
  switch (node.op) {
    case "Dropout":
      refuseRead(node, secondary);
      return { ...node, op: "Identity", inputs: [node.inputs[0]!], outputs: [y], attributes: {} };
    case "BatchNormalization": {
      refuseRead(node, secondary);
      const { training_mode: _mode, momentum: _momentum, ...attributes } = node.attributes;
      return { ...node, outputs: [y], attributes };
    }
    case "MaxPool":
      return secondary === undefined ? { ...node, outputs: [y] } : node;
    default:
      return node;
  }
}

function refuseRead(node: Node, value: string | undefined): void {
  if (value === undefined) return;
  throw new RavnError(
    `node "${node.name}" (${node.op}) cannot be put in inference form: its output "${value}" is ` +
      "read, but only training has it",
  );
}
