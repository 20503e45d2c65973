import { readsOf, withInputsRenamed } from "../onnx/mod.ts";
import type { Facts, Graph, Node } from "../onnx/mod.ts";

/** A graph in which every parameter has one home, and the facts of its values. */
export interface SharedGraph {
  readonly graph: Graph;
  readonly facts: Facts;
}

/** Name of the value by which the other readers of parameter `name` get it. */
export function sharedValue(name: string): string {
  return `ravn.shared.${name}`;
}

/**
 * Gives each parameter that several operators read (tied embeddings, layers that share weights) one
 * home: its first reader. The others read a value that an Identity beside that makes of it. So a
 * cut between them is like any other: the weights go along with a micro-batch as an activation
 * does, and the gradient of their use comes back and is added to that of the first. The owner alone
 * updates them.
 *
 * For micro-batch m all uses see the version of the weights with which m passed the owner, in every
 * schedule: the gradient is the exact one of that version, and nothing can drift apart.
 */
export function withSharedParameters(
  graph: Graph,
  facts: Facts,
  trainable: Iterable<string>,
): SharedGraph {
  const shared = new Set(trainable);
  const readers = new Map<string, number>();
  for (const node of graph.nodes) {
    for (const name of readsOf(node)) {
      if (shared.has(name)) readers.set(name, (readers.get(name) ?? 0) + 1);
    }
  }
  const renamed = new Map<string, string>();
  const known = new Map(facts);
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const made = [withInputsRenamed(node, renamed)];
    for (const name of readsOf(node)) {
      if ((readers.get(name) ?? 0) < 2 || renamed.has(name)) continue;
      const { dtype, dims } = graph.initializers.get(name)!;
      const value = sharedValue(name);
      renamed.set(name, value);
      known.set(value, { dtype, dims });
      made.push(identity(name, value));
    }
    return made;
  });
  return renamed.size === 0 ? { graph, facts } : { graph: { ...graph, nodes }, facts: known };
}

function identity(from: string, to: string): Node {
  return { name: to, op: "Identity", domain: "", inputs: [from], outputs: [to], attributes: {} };
}
