import { type Extent, type Fact, sameExtent } from "./facts.ts";
import type { Graph, Node } from "./graph.ts";
import { readsOf, withInputsRenamed } from "./subgraphs.ts";
import { int64s, type Tensor } from "./tensor.ts";
import type { TracedFacts } from "./trace.ts";

/**
 * Replaces shape arithmetic by initializers: nodes whose values are constant go, and the shapes of
 * Reshape and Expand that contain the batch are rewritten so that they hold for every batch size
 * (a -1, a 0, or a 1). Where that cannot be said in a constant the arithmetic stays. Nodes and
 * initializers that nothing needs any more are dropped. Values keep their names, so that `facts`
 * still holds for those that remain.
 */
export function foldConstants(graph: Graph, facts: TracedFacts): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const initializers = new Map(graph.initializers);
  const renamed = new Map<string, string>();
  const nodes: Node[] = [];
  for (const original of graph.nodes) {
    const node = withInputsRenamed(original, renamed);
    const made = node.outputs.filter((name) => name !== "");
    const replaceable = !made.some((name) => outputs.has(name));
    const constants = replaceable ? constantsOf(made, facts) : undefined;
    if (constants !== undefined) {
      for (const [name, value] of constants) initializers.set(name, value);
      continue;
    }
    const shape = constantShape(node, facts, initializers);
    if (shape === undefined) nodes.push(node);
    else if (replaceable && node.op === "Expand" && shape.every((dim) => dim === 1)) {
      renamed.set(made[0]!, node.inputs[0]!);
    } else {
      const name = unusedName(`${made[0]!}.shape`, graph, initializers);
      initializers.set(name, int64s(shape));
      nodes.push(withShape(node, name));
    }
  }
  return withoutDeadNodes({ ...graph, nodes, initializers });
}

/** The graph without nodes and initializers on which no output depends. */
export function withoutDeadNodes(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((name) => needed.has(name))) return false;
    for (const name of readsOf(node)) needed.add(name);
    return true;
  }).reverse();
  const initializers = new Map([...graph.initializers].filter(([name]) => needed.has(name)));
  return { ...graph, nodes, initializers };
}

function constantsOf(names: readonly string[], facts: TracedFacts): [string, Tensor][] | undefined {
  const found = names.flatMap((name): [string, Tensor][] => {
    const value = facts.get(name)?.constant;
    return value === undefined ? [] : [[name, value]];
  });
  return found.length === names.length ? found : undefined;
}

/** A constant for the second input of Reshape or Expand, where it has none and one can be given. */
function constantShape(
  node: Node,
  facts: TracedFacts,
  initializers: ReadonlyMap<string, Tensor>,
): number[] | undefined {
  if (node.domain !== "" || (node.op !== "Reshape" && node.op !== "Expand")) return undefined;
  const [data, shape] = node.inputs;
  if (data === undefined || shape === undefined || initializers.has(shape)) return undefined;
  // Without these the shape depends on data, and what tracing saw need not be all there is.
  if (facts.get(shape)?.extents === undefined) return undefined;
  const from = facts.get(data);
  const to = facts.get(node.outputs[0]!);
  if (from === undefined || to === undefined) return undefined;
  return node.op === "Reshape" ? reshapeTarget(from, to) : expandTarget(from, to);
}

/** Fixed sizes as they are; one that follows the batch is -1, or 0 where it is taken over. */
function reshapeTarget(from: Fact, to: Fact): number[] | undefined {
  // Beside a size of zero -1 says nothing, and 0 would mean "as before".
  if (to.dims.includes(0) || from.dims.includes(0)) return undefined;
  const free = to.dims.filter((dim) => typeof dim !== "number").length;
  const target = to.dims.map((dim, i) => {
    if (typeof dim === "number") return dim;
    return free > 1 && equalAt(from.dims, i, dim) ? 0 : -1;
  });
  return target.filter((dim) => dim === -1).length > 1 ? undefined : target;
}

function equalAt(dims: readonly Extent[], position: number, extent: Extent): boolean {
  const other = dims[position];
  return other !== undefined && sameExtent(other, extent);
}

/** Expand broadcasts both ways: 1 takes over the size of the data. */
function expandTarget(from: Fact, to: Fact): number[] | undefined {
  const added = to.dims.length - from.dims.length;
  const target = to.dims.map((dim, i) => i >= added && equalAt(from.dims, i - added, dim) ? 1 : dim)
    .map((dim) => typeof dim === "number" ? dim : undefined);
  return target.every((dim) => dim !== undefined) ? target : undefined;
}

function withShape(node: Node, shape: string): Node {
  const { allowzero: _, ...attributes } = node.attributes;
  return { ...node, inputs: [node.inputs[0]!, shape], attributes };
}

function unusedName(
  stem: string,
  graph: Graph,
  initializers: ReadonlyMap<string, Tensor>,
): string {
  const taken = new Set([
    ...graph.inputs.map(({ name }) => name),
    ...initializers.keys(),
    ...graph.nodes.flatMap(({ outputs }) => outputs),
  ]);
  let name = stem;
  for (let n = 1; taken.has(name); n++) name = `${stem}.${n}`;
  return name;
}
