import type { Facts, Graph, Node, Tensor, ValueInfo } from "../onnx/mod.ts";
import { shapeOf } from "./partition.ts";
import type { Port } from "./manifest.ts";

/** Nodes and the constants they read: a piece that is put into a graph. */
export interface Piece {
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
}

/** Value `value` as a port: its type and shape. */
export function portOf(facts: Facts, value: string): Port {
  const fact = facts.get(value);
  if (fact === undefined) throw new Error(`nothing is known of the value "${value}"`);
  return { value, dtype: fact.dtype, dims: [...fact.dims] };
}

/** A port as a graph input or output. */
export function infoOf({ value, dtype, dims }: Port): ValueInfo {
  return { name: value, dtype, shape: shapeOf(dims) };
}

/** Values that `nodes` read and do not make. */
export function freeValues(nodes: readonly Node[]): Set<string> {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const free = new Set<string>();
  for (const node of nodes) {
    for (const input of node.inputs) if (input !== "" && !made.has(input)) free.add(input);
  }
  return free;
}

/**
 * Joins pieces into one graph with just the inputs and constants that its nodes need.
 * An output that would be a graph input, a constant, or stand twice becomes a copy.
 *
 * @param inputs values that are fed; those that nothing reads are left out
 * @param outputs pairs of the name an output gets and the value it shows
 */
export function assemble(
  name: string,
  pieces: readonly Piece[],
  inputs: readonly Port[],
  outputs: readonly { readonly port: Port; readonly from: string }[],
  opsets: Graph["opsets"],
): Graph {
  const nodes = pieces.flatMap((piece) => piece.nodes);
  const all = new Map(pieces.flatMap((piece) => [...piece.initializers]));
  const made = new Set(nodes.flatMap((node) => node.outputs));
  for (const { port, from } of outputs) {
    if (port.value === from && made.has(from)) continue;
    nodes.push({
      name: `ravn.copy.${port.value}`,
      op: "Identity",
      domain: "",
      inputs: [from],
      outputs: [port.value],
      attributes: {},
    });
  }
  const needed = freeValues(nodes);
  const fed = inputs.filter(({ value }) => needed.has(value));
  for (const { value } of fed) all.delete(value);
  const domains = new Set(nodes.map((node) => node.domain));
  const versions = new Map([...opsets].filter(([domain]) => domains.has(domain)));
  for (const domain of domains) if (!versions.has(domain)) versions.set(domain, 1);
  return {
    name,
    nodes,
    inputs: fed.map(infoOf),
    outputs: outputs.map(({ port }) => infoOf(port)),
    initializers: new Map([...all].filter(([value]) => needed.has(value))),
    opsets: versions,
  };
}

/** `nodes` without those whose results lead to none of `wanted`. */
export function liveNodes(nodes: readonly Node[], wanted: Iterable<string>): Node[] {
  const needed = new Set(wanted);
  const live: Node[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    live.push(node);
    for (const input of node.inputs) needed.add(input);
  }
  return live.reverse();
}
