import { byteCount, elementCount, readsOf } from "../onnx/mod.ts";
import type { Facts, Graph, Node } from "../onnx/mod.ts";
import { estimateCosts, mergeTimes } from "./cost.ts";
import type { OperatorTimes } from "./cost.ts";
import { gradientFlow } from "./gradient_flow.ts";
import { Shapes } from "./shapes.ts";
import { hiddenStashBytes, stashOf } from "./stash.ts";
import { modelState } from "./trainable.ts";

/** One operator of a model, as planning sees it. Values are model inputs and node outputs. */
export interface OperatorCost {
  /** Name of the node. */
  readonly name: string;
  readonly op: string;
  /** Times for one micro-batch at speed 1, ms. */
  readonly forward_ms: number;
  readonly backward_ms: number;
  /** Trainable parameters and buffers that it reads, in the order of its inputs. */
  readonly parameters: readonly string[];
  readonly buffers: readonly string[];
  /** Bytes of the other initializers that it reads. */
  readonly constant_bytes: number;
  /** Values that it reads; constants are not among them. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Values that its gradient reads, and bytes of what it keeps besides (indices, masks). */
  readonly stash: readonly string[];
  readonly stash_bytes: number;
}

/** A value that flows between operators. */
export interface ValueCost {
  readonly name: string;
  /** Index of the operator that makes it; -1 for a model input. */
  readonly producer: number;
  /**
   * Indices of the operators that read it, ascending. What the model puts out counts as read by the
   * last operator: the last stage compares it with the labels.
   */
  readonly readers: readonly number[];
  /** Bytes in one micro-batch. */
  readonly bytes: number;
  /** True where a gradient of the same size comes back for it. */
  readonly gradient: boolean;
}

/** A trainable parameter or a buffer. */
export interface StateCost {
  readonly name: string;
  readonly elements: number;
  readonly bytes: number;
  /** Indices of the operators that read it, ascending. */
  readonly readers: readonly number[];
}

/** A model as the numbers that planning needs. */
export interface Workload {
  /** Samples in a micro-batch. */
  readonly batch: number;
  /** In topological order. */
  readonly operators: readonly OperatorCost[];
  readonly values: ReadonlyMap<string, ValueCost>;
  /** In the order in which the operators read them. */
  readonly parameters: ReadonlyMap<string, StateCost>;
  readonly buffers: ReadonlyMap<string, StateCost>;
}

/** Options of `workloadOf`. */
export interface WorkloadOptions {
  /** Samples in a micro-batch. */
  readonly batch: number;
  /** Measured times by node name; estimates take the place of missing ones. */
  readonly times?: OperatorTimes;
  /** The parameters to train, where the caller knows better than `modelState`. */
  readonly trainable?: ReadonlySet<string>;
}

/** The initializers among `names`, in the order in which the nodes read them. */
function stateCosts(graph: Graph, names: ReadonlySet<string>): Map<string, StateCost> {
  const readers = new Map<string, number[]>();
  graph.nodes.forEach((node, index) => {
    // a Set of the inputs: the order of the slots, each name once
    for (const name of readsOf(node)) {
      if (!names.has(name)) continue;
      const list = readers.get(name);
      if (list === undefined) readers.set(name, [index]);
      else list.push(index);
    }
  });
  return new Map([...readers].map(([name, list]) => {
    const { dtype, dims } = graph.initializers.get(name)!;
    const elements = elementCount(dims);
    return [name, { name, elements, bytes: byteCount(dtype, dims), readers: list }];
  }));
}

/** Model inputs and node outputs that are not the same for every input. */
function valueCosts(
  graph: Graph,
  facts: Facts,
  shapes: Shapes,
  differentiable: ReadonlySet<string>,
): Map<string, ValueCost> {
  const producers = new Map<string, number>(graph.inputs.map(({ name }) => [name, -1]));
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      const constant = facts.get(output)?.constant !== undefined && !differentiable.has(output);
      if (output !== "" && !constant) producers.set(output, index);
    }
  });
  const readers = new Map<string, Set<number>>([...producers.keys()].map((v) => [v, new Set()]));
  graph.nodes.forEach((node, index) => {
    for (const name of readsOf(node)) readers.get(name)?.add(index);
  });
  const last = graph.nodes.length - 1;
  for (const { name } of graph.outputs) {
    if (producers.get(name) !== last) readers.get(name)?.add(last);
  }
  return new Map([...producers].map(([name, producer]) => {
    const list = [...readers.get(name)!].sort((a, b) => a - b);
    const gradient = differentiable.has(name);
    return [name, { name, producer, readers: list, bytes: shapes.bytes(name), gradient }];
  }));
}

/**
 * Turns a model into the numbers that planning needs.
 *
 * @param facts type and shape of every value, as tracing finds them
 * @throws {Error} where a value that is read has no fact
 */
export function workloadOf(graph: Graph, facts: Facts, options: WorkloadOptions): Workload {
  const shapes = new Shapes(graph, facts, options.batch);
  const state = modelState(graph);
  const trainable = options.trainable ?? new Set(state.trainable);
  const parameters = stateCosts(graph, trainable);
  const buffers = stateCosts(graph, new Set(state.buffers.filter((name) => !trainable.has(name))));
  const { differentiable } = gradientFlow(graph, facts, trainable);
  const values = valueCosts(graph, facts, shapes, differentiable);
  const estimated = estimateCosts(graph, facts, options.batch, trainable);
  const times = mergeTimes(estimated, options.times ?? new Map());
  const operators = graph.nodes.map((node: Node): OperatorCost => {
    const reads = [...readsOf(node)];
    const constants = reads.filter((name) =>
      graph.initializers.has(name) && !parameters.has(name) && !buffers.has(name)
    );
    const trained = node.outputs.some((name) => differentiable.has(name));
    return {
      name: node.name,
      op: node.op,
      ...times.get(node.name)!,
      parameters: reads.filter((name) => parameters.has(name)),
      buffers: reads.filter((name) => buffers.has(name)),
      constant_bytes: constants.reduce((sum, name) => sum + shapes.bytes(name), 0),
      reads: reads.filter((name) => values.has(name)),
      writes: node.outputs.filter((name) => values.has(name)),
      stash: trained ? stashOf(node).filter((name) => values.has(name)) : [],
      stash_bytes: trained ? hiddenStashBytes(node, shapes) : 0,
    };
  });
  return { batch: options.batch, operators, values, parameters, buffers };
}
