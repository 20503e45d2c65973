import { consumers, type Graph, intOf, type Node } from "./graph.ts";
import { numbers, type Tensor } from "./tensor.ts";

/**
 * The graph with output projections tied to the embedding again. A network that shares one matrix
 * between both loses that in an export with constant folding: the projection gets a transposed
 * copy. Where a matrix is, bit for bit, the transpose of a table that a Gather reads, and only
 * MatMul reads it, a Transpose of the table takes its place.
 */
export function withTiedProjections(graph: Graph): Graph {
  const readers = consumers(graph);
  const tables = graph.nodes.flatMap((node) => {
    const table = graph.initializers.get(node.inputs[0] ?? "");
    const looksUp = node.op === "Gather" && node.domain === "" && intOf(node, "axis", 0) === 0;
    return looksUp && table?.dims.length === 2 ? [[node.inputs[0]!, table] as const] : [];
  });
  if (tables.length === 0) return graph;
  const given = new Set(graph.outputs.map(({ name }) => name));
  const added: Node[] = [];
  const initializers = new Map(graph.initializers);
  for (const [copy, tensor] of graph.initializers) {
    if (tensor.dtype !== "float32" || tensor.dims.length !== 2 || given.has(copy)) continue;
    const projects = (readers.get(copy) ?? []).every(({ op, domain, inputs }) =>
      op === "MatMul" && domain === "" && inputs[1] === copy && inputs[0] !== copy
    );
    const tied = projects && tables.find(([, table]) => isTranspose(table, tensor));
    if (!tied) continue;
    initializers.delete(copy);
    added.push({
      name: `ravn.tied.${copy}`,
      op: "Transpose",
      domain: "",
      inputs: [tied[0]],
      outputs: [copy],
      attributes: { perm: { type: "ints", value: [1, 0] } },
    });
  }
  return added.length === 0 ? graph : { ...graph, initializers, nodes: withNodes(graph, added) };
}

/** The nodes with each of `added` right before the first one that reads it. */
function withNodes({ nodes }: Graph, added: readonly Node[]): Node[] {
  const waiting = new Set(added);
  return nodes.flatMap((node) => {
    const needed = [...waiting].filter(({ outputs }) => node.inputs.includes(outputs[0]!));
    for (const made of needed) waiting.delete(made);
    return [...needed, node];
  });
}

/** True where `b` is the transpose of `a`, and not all of its elements are equal. */
function isTranspose(a: Tensor, b: Tensor): boolean {
  const [rows, columns] = a.dims as [number, number];
  if (a.dtype !== b.dtype || b.dims[0] !== columns || b.dims[1] !== rows) return false;
  const [x, y] = [numbers(a), numbers(b)];
  let varies = false;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      if (x[i * columns + j] !== y[j * rows + i]) return false;
      varies ||= x[i * columns + j] !== x[0];
    }
  }
  return varies;
}
