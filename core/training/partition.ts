import { RavnError } from "../error.ts";
import type { Extent, Fact, Facts, Graph, Node, ValueInfo } from "../onnx/mod.ts";

/** One stage's part of a model, and what crosses its borders. */
export interface StagePart {
  readonly stage: number;
  /** Nodes of the stage over the values that reach it; parameters are still initializers. */
  readonly graph: Graph;
  /** Values that reach it, in order of first use, and the stage that makes them. */
  readonly inputs: readonly { readonly value: string; readonly from: number | "data" }[];
  /** Values that later stages read, and which ones. */
  readonly outputs: readonly { readonly value: string; readonly to: readonly number[] }[];
}

/** Shape of a value as ONNX writes it, with the batch as a named dimension. */
export function shapeOf(dims: readonly Extent[]): (number | string)[] {
  return dims.map((dim) => {
    if (typeof dim === "number") return dim;
    return dim.perSample === 1 ? "batch" : `batch*${dim.perSample}`;
  });
}

/** What is known of `value`. @throws {Error} when tracing did not see it */
export function factOf(facts: Facts, value: string): Fact {
  const fact = facts.get(value);
  if (fact === undefined) throw new Error(`nothing is known of the value "${value}"`);
  return fact;
}

/** A graph input or output named `value`. */
export function valueInfo(facts: Facts, value: string): ValueInfo {
  const { dtype, dims } = factOf(facts, value);
  return { name: value, dtype, shape: shapeOf(dims) };
}

/** The initializers that `nodes` read. */
export function initializersOf(graph: Graph, nodes: readonly Node[]): Graph["initializers"] {
  const used = new Set(nodes.flatMap((node) => node.inputs));
  return new Map([...graph.initializers].filter(([name]) => used.has(name)));
}

/** The stage of each node, checked: every node in one stage, none before what it reads. */
function stageOfNodes(graph: Graph, stages: readonly (readonly string[])[]): Map<string, number> {
  const stageOf = new Map<string, number>();
  stages.forEach((names, stage) => {
    for (const name of names) {
      if (stageOf.has(name)) throw new RavnError(`node "${name}" stands in two stages of the plan`);
      stageOf.set(name, stage);
    }
  });
  const known = new Set(graph.nodes.map((node) => node.name));
  for (const name of stageOf.keys()) {
    if (!known.has(name)) {
      throw new RavnError(
        `the plan names node "${name}", which is not in the model: run clusterize`,
      );
    }
  }
  for (const node of graph.nodes) {
    if (!stageOf.has(node.name)) {
      throw new RavnError(`node "${node.name}" stands in no stage of the plan: run clusterize`);
    }
  }
  return stageOf;
}

/**
 * Cuts a model into stages.
 *
 * @param stages names of the nodes of each stage
 * @param head values that the last stage needs besides (the output that the loss reads)
 * @throws {RavnError} when the stages do not cover the model, or a node would read a later stage's
 * value
 */
export function partition(
  graph: Graph,
  facts: Facts,
  stages: readonly (readonly string[])[],
  head: readonly string[],
): StagePart[] {
  const stageOf = stageOfNodes(graph, stages);
  const last = stages.length - 1;
  const madeIn = new Map<string, number | "data">(graph.inputs.map(({ name }) => [name, "data"]));
  const readIn = new Map<string, Set<number>>();
  const parts = stages.map(() => ({
    nodes: [] as Node[],
    inputs: new Map<string, number | "data">(),
  }));

  const read = (value: string, stage: number): void => {
    if (value === "" || graph.initializers.has(value)) return;
    const maker = madeIn.get(value);
    if (maker === undefined || (maker !== "data" && maker > stage)) {
      throw new RavnError(`stage ${stage} reads "${value}" before an earlier stage has made it`);
    }
    if (maker === stage) return;
    parts[stage]!.inputs.set(value, maker);
    const readers = readIn.get(value);
    if (readers === undefined) readIn.set(value, new Set([stage]));
    else readers.add(stage);
  };
  for (const node of graph.nodes) {
    const stage = stageOf.get(node.name)!;
    for (const input of node.inputs) read(input, stage);
    for (const output of node.outputs) if (output !== "") madeIn.set(output, stage);
    parts[stage]!.nodes.push(node);
  }
  for (const value of head) read(value, last);

  return parts.map(({ nodes, inputs }, stage) => {
    const outputs = [...readIn]
      .filter(([value]) => madeIn.get(value) === stage)
      .map(([value, readers]) => ({ value, to: [...readers].sort((a, b) => a - b) }));
    const named = stage === last
      ? [...new Set([...outputs.map(({ value }) => value), ...head])].filter((v) => !inputs.has(v))
      : outputs.map(({ value }) => value);
    return {
      stage,
      inputs: [...inputs].map(([value, from]) => ({ value, from })),
      outputs,
      graph: {
        name: `stage_${stage}`,
        nodes,
        inputs: [...inputs.keys()].map((value) => valueInfo(facts, value)),
        outputs: named.map((value) => valueInfo(facts, value)),
        initializers: initializersOf(graph, nodes),
        opsets: graph.opsets,
      },
    };
  });
}
