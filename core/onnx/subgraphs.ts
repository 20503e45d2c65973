import type { Attribute, Graph, Node } from "./graph.ts";

/** The graphs among a node's attributes: branches of If, bodies of Loop and Scan. */
export function subgraphsOf(node: Node): Graph[] {
  return Object.values(node.attributes).flatMap((a) => a.type === "graph" ? [a.value] : []);
}

/** Names that the node reads: its inputs and what its subgraphs take from the graph around them. */
export function readsOf(node: Node): ReadonlySet<string> {
  const names = new Set(node.inputs);
  names.delete("");
  for (const graph of subgraphsOf(node)) {
    for (const name of capturesOf(graph)) names.add(name);
  }
  return names;
}

/** Names that a graph reads but does not define: a subgraph's values from outside. */
export function capturesOf(graph: Graph): Set<string> {
  const defined = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  for (const node of graph.nodes) for (const output of node.outputs) defined.add(output);
  const captured = new Set<string>();
  const read = [...graph.nodes.map(readsOf), graph.outputs.map(({ name }) => name)];
  for (const names of read) {
    for (const name of names) if (!defined.has(name)) captured.add(name);
  }
  return captured;
}

/** The node with the values it reads renamed by `names`, in its subgraphs too. */
export function withInputsRenamed(node: Node, names: ReadonlyMap<string, string>): Node {
  if (names.size === 0) return node;
  if (![...readsOf(node)].some((name) => names.has(name))) return node;
  const attributes = Object.fromEntries(
    Object.entries(node.attributes).map(([key, attribute]): [string, Attribute] =>
      attribute.type === "graph"
        ? [key, { type: "graph", value: withCapturesRenamed(attribute.value, names) }]
        : [key, attribute]
    ),
  );
  return { ...node, inputs: node.inputs.map((name) => names.get(name) ?? name), attributes };
}

function withCapturesRenamed(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const captured = capturesOf(graph);
  const seen = new Map([...names].filter(([from]) => captured.has(from)));
  return {
    ...graph,
    nodes: graph.nodes.map((node) => withInputsRenamed(node, seen)),
    outputs: graph.outputs.map((info) => ({ ...info, name: seen.get(info.name) ?? info.name })),
  };
}
