import type { Facts, Graph, Node, Tensor, ValueInfo } from "../onnx/mod.ts";
import { inReleaseOrder } from "./execution_order.ts";
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

/** What a graph shows: the value `from` under the name, type and shape of `port`. */
export interface Shown {
  readonly port: Port;
  readonly from: string;
}

/** `nodes` with other names for some values. */
function renamed(nodes: readonly Node[], names: ReadonlyMap<string, string>): Node[] {
  if (names.size === 0) return [...nodes];
  const named = (value: string) => names.get(value) ?? value;
  return nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(named),
    outputs: node.outputs.map(named),
  }));
}

/**
 * `nodes` such that each output has its name: a value that a node makes takes the name itself; one
 * that is fed, constant or shown twice is copied, which costs an operator.
 */
function withOutputs(nodes: readonly Node[], outputs: readonly Shown[]): Node[] {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const names = new Map<string, string>();
  const kept = new Set(
    outputs.filter(({ port, from }) => port.value === from)
      .map(({ from }) => from),
  );
  const copies: Shown[] = [];
  for (const shown of outputs) {
    const { port, from } = shown;
    if (port.value === from && made.has(from)) continue;
    if (made.has(from) && !kept.has(from) && !names.has(from)) names.set(from, port.value);
    else copies.push(shown);
  }
  return [
    ...renamed(nodes, names),
    ...copies.map(({ port, from }): Node => ({
      name: `ravn.copy.${port.value}`,
      op: "Identity",
      domain: "",
      inputs: [names.get(from) ?? from],
      outputs: [port.value],
      attributes: {},
    })),
  ];
}

/**
 * Joins pieces into one graph with just the inputs and constants that its nodes need.
 *
 * @param inputs values that are fed; those that nothing reads are left out
 */
export function assemble(
  name: string,
  pieces: readonly Piece[],
  inputs: readonly Port[],
  outputs: readonly Shown[],
  opsets: Graph["opsets"],
): Graph {
  const nodes = inReleaseOrder(withOutputs(pieces.flatMap((piece) => piece.nodes), outputs));
  const constants = new Map(pieces.flatMap((piece) => [...piece.initializers]));
  const needed = freeValues(nodes);
  const fed = inputs.filter(({ value }) => needed.has(value));
  for (const { value } of fed) constants.delete(value);
  const domains = new Set(nodes.map((node) => node.domain));
  return {
    name,
    nodes,
    inputs: fed.map(infoOf),
    outputs: outputs.map(({ port }) => infoOf(port)),
    initializers: new Map([...constants].filter(([value]) => needed.has(value))),
    opsets: new Map([...domains].map((domain) => [domain, opsets.get(domain) ?? 1])),
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
