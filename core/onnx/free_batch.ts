import { messageOf } from "../error.ts";
import { varyingValues } from "./dependence.ts";
import { batchOf, type FeedOptions, feedsAt } from "./feeds.ts";
import type { Graph, Node } from "./graph.ts";
import {
  type Evaluate,
  fixedBatch,
  type Observations,
  Observer,
  withBatchName,
} from "./observe.ts";
import { int64s, numbers, type Tensor } from "./tensor.ts";
import { constantValues } from "./trace.ts";
import { writeModel } from "./write.ts";

/** Relative to the largest element; other shapes give other summation orders. */
const TOLERANCE = 1e-3;

/**
 * The graph with a free batch dimension. Where every input has a fixed first dimension, as
 * exporters leave it when nothing else is asked of them, that of the first input becomes
 * `"batch"`, in the inputs and outputs that share it, and where the size was written into a Reshape
 * or Expand it is taken from the data. The result is run with every sample twice, and must give
 * every row twice. A graph with a free first dimension is returned as it is.
 *
 * @throws {RavnError} where the graph works with its own batch size only.
 */
export async function withFreeBatch(
  graph: Graph,
  evaluate: Evaluate,
  options: FeedOptions & { readonly file?: string } = {},
): Promise<Graph> {
  const batch = batchOf(graph);
  const { size } = batch;
  if (batch.symbol !== undefined || size === undefined) return graph;
  const file = options.file ?? `graph '${graph.name}'`;
  const parameters = new Set<string>();
  const observer = new Observer(
    graph,
    evaluate,
    { ...options, file },
    constantValues(graph, parameters),
  );
  const seen = await observer.at(size);
  const rewriter = new Rewriter(graph, seen, size, varyingValues(graph, parameters));
  const free: Graph = {
    ...graph,
    nodes: graph.nodes.flatMap((node) => rewriter.rewritten(node)),
    initializers: rewriter.initializers,
    inputs: graph.inputs.map((info) => withBatchName(info, batch)),
    outputs: graph.outputs.map((info) => withBatchName(info, batch)),
  };
  await checkRowsTwice(graph, free, evaluate, size, { ...options, file });
  return free;
}

/** Takes a batch size out of the nodes of a graph. */
class Rewriter {
  readonly initializers: Map<string, Tensor>;
  readonly #input: string;
  #batch: string | undefined;

  constructor(
    graph: Graph,
    readonly seen: Observations,
    readonly size: number,
    readonly varying: ReadonlySet<string>,
  ) {
    this.initializers = new Map(graph.initializers);
    this.#input = graph.inputs.find(({ shape }) => shape?.[0] === size)!.name;
  }

  /** The node, or those that replace it. */
  rewritten(node: Node): Node[] {
    if (node.domain !== "" || (node.op !== "Reshape" && node.op !== "Expand")) return [node];
    const [data, shape] = node.inputs;
    const given = this.initializers.get(shape!) ?? this.seen.get(shape!)?.value;
    if (given === undefined) return [node];
    const from = this.initializers.get(data!)?.dims ?? this.seen.get(data!)!.dims;
    const to = this.seen.get(node.outputs[0]!)!.dims;
    const target = Array.from(numbers(given));
    return node.op === "Reshape"
      ? this.#reshape(node, from, target, to)
      : this.#expand(node, from, target, to);
  }

  /** Rows of samples, several to a sample perhaps, before and after: their number is left open. */
  #reshape(
    node: Node,
    from: readonly number[],
    target: readonly number[],
    to: readonly number[],
  ): Node[] {
    const rows = target[0] === to[0] && this.#isRows(from[0]) && this.#isRows(to[0]);
    if (!this.varying.has(node.inputs[0]!) || !rows || to.includes(0)) return [node];
    const shape = this.#constant(`${node.outputs[0]!}.shape`, [-1, ...to.slice(1)]);
    const { allowzero: _, ...attributes } = node.attributes;
    return [{ ...node, inputs: [node.inputs[0]!, shape], attributes }];
  }

  /** The first size is taken over from data that has it, or else from the input. */
  #expand(
    node: Node,
    from: readonly number[],
    target: readonly number[],
    to: readonly number[],
  ): Node[] {
    if (target.length !== to.length || target[0] !== this.size) return [node];
    const data = node.inputs[0]!;
    const rest = target.slice(1);
    const first = from.length === to.length ? from[0] : 1;
    if (this.varying.has(data) && first === this.size) {
      return [{
        ...node,
        inputs: [data, this.#constant(`${node.outputs[0]!}.shape`, [1, ...rest])],
      }];
    }
    const added = this.#batchNodes();
    const shape = `ravn.batch.${node.outputs[0]!}`;
    const sizes = [this.#batch!];
    if (rest.length > 0) sizes.push(this.#constant(`${shape}.rest`, rest));
    const axis = { axis: { type: "int", value: 0 } } as const;
    return [...added, nodeOf("Concat", sizes, shape, axis), { ...node, inputs: [data, shape] }];
  }

  #isRows(count: number | undefined): boolean {
    return count !== undefined && count > 0 && count % this.size === 0;
  }

  /** The nodes that compute the batch size [1] from the input, the first time they are needed. */
  #batchNodes(): Node[] {
    if (this.#batch !== undefined) return [];
    this.#batch = "ravn.batch";
    return [
      nodeOf("Shape", [this.#input], "ravn.batch.sizes"),
      nodeOf("Gather", ["ravn.batch.sizes", this.#constant("ravn.batch.first", [0])], this.#batch),
    ];
  }

  #constant(stem: string, values: readonly number[]): string {
    let name = stem;
    while (this.initializers.has(name) || this.seen.has(name)) name += "_";
    this.initializers.set(name, int64s(values));
    return name;
  }
}

function nodeOf(
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Node["attributes"] = {},
): Node {
  return { name: output, op, domain: "", inputs, outputs: [output], attributes };
}

/** Operators that give other numbers in every run. */
function drawsNumbers({ op, domain, inputs }: Node): boolean {
  return domain === "" && (/^Random|^Bernoulli$|^Multinomial$/.test(op) ||
    (op === "Dropout" && (inputs[2] ?? "") !== ""));
}

/** Twice the same samples must give twice the same rows: a mistake mixes samples, or fails. */
async function checkRowsTwice(
  fixed: Graph,
  free: Graph,
  evaluate: Evaluate,
  size: number,
  options: FeedOptions & { readonly file: string },
): Promise<void> {
  const { file } = options;
  const inputs = feedsAt(fixed, size, options, file);
  const once = await evaluate(writeModel(fixed), inputs);
  let twice: Map<string, Tensor>;
  try {
    twice = await evaluate(writeModel(free), feedsAt(free, 2 * size, { inputs }, file));
  } catch (cause) {
    throw fixedBatch(size, file, `with ${2 * size} samples: ${messageOf(cause)}`);
  }
  const comparable = !fixed.nodes.some(drawsNumbers);
  for (const [name, before] of once) {
    if (before.dims[0] !== size) continue;
    const after = twice.get(name)!;
    if (after.dims[0] !== 2 * size) {
      throw fixedBatch(size, file, `the output '${name}' keeps ${after.dims[0]} rows`);
    }
    if (comparable && !isTwice(numbers(before), numbers(after))) {
      throw fixedBatch(size, file, `the output '${name}' mixes the samples when there are more`);
    }
  }
}

function isTwice(once: ArrayLike<number>, twice: ArrayLike<number>): boolean {
  const { length } = once;
  let largest = 0;
  for (let i = 0; i < length; i++) largest = Math.max(largest, Math.abs(once[i]!));
  for (let i = 0; i < twice.length; i++) {
    if (Math.abs(twice[i]! - once[i % length]!) > TOLERANCE * largest) return false;
  }
  return twice.length === 2 * length;
}
