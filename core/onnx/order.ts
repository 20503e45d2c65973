import { RavnError } from "../error.ts";
import type { Graph, Node } from "./graph.ts";
import { producers } from "./graph.ts";
import { readsOf } from "./subgraphs.ts";

/**
 * The graph with every node after the nodes whose values it reads; the same graph where that holds
 * already. Nodes keep their order as far as possible.
 *
 * @throws {RavnError} naming a node that needs its own result.
 */
export function inTopologicalOrder(graph: Graph, file: string): Graph {
  const producer = producers(graph);
  const before = new Map<Node, readonly Node[]>();
  for (const node of graph.nodes) {
    const needed = [...readsOf(node)].flatMap((name) => producer.get(name) ?? []);
    before.set(node, needed);
  }
  if (isOrdered(graph.nodes, before)) return graph;
  return { ...graph, nodes: ordered(graph.nodes, before, file) };
}

function isOrdered(nodes: readonly Node[], before: ReadonlyMap<Node, readonly Node[]>): boolean {
  const done = new Set<Node>();
  for (const node of nodes) {
    if (before.get(node)!.some((needed) => !done.has(needed))) return false;
    done.add(node);
  }
  return true;
}

/** Depth first from each node in turn; with a stack of its own, since graphs may be deep. */
function ordered(
  nodes: readonly Node[],
  before: ReadonlyMap<Node, readonly Node[]>,
  file: string,
): Node[] {
  const result: Node[] = [];
  const state = new Map<Node, "open" | "done">();
  for (const root of nodes) {
    const stack: { node: Node; next: number }[] = [{ node: root, next: 0 }];
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      if (state.get(top.node) === "done") {
        stack.pop();
        continue;
      }
      state.set(top.node, "open");
      const needed = before.get(top.node)![top.next++];
      if (needed === undefined) {
        state.set(top.node, "done");
        result.push(top.node);
        stack.pop();
      } else if (state.get(needed) === "open") {
        throw new RavnError(
          `${file}: node '${needed.name}' (${needed.op}) needs its own result: there is a cycle`,
        );
      } else if (state.get(needed) === undefined) {
        stack.push({ node: needed, next: 0 });
      }
    }
  }
  return result;
}
