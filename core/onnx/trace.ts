import { RavnError } from "../error.ts";
import { varyingValues } from "./dependence.ts";
import type { Extent, Fact } from "./facts.ts";
import { type Batch, batchOf, type FeedOptions } from "./feeds.ts";
import type { Graph } from "./graph.ts";
import {
  type Evaluate,
  fixedBatch,
  type Observation,
  type Observations,
  Observer,
} from "./observe.ts";
import { numbers, type Tensor } from "./tensor.ts";

/** What tracing finds: a fact that also knows integers that follow the batch. */
export interface TracedFact extends Fact {
  /**
   * Elements of a shape computation that depends on the batch and on nothing else, row-major; e.g.
   * `[{ perSample: 1 }, 3, 8, 8]` for the Shape of a batch of images.
   */
  readonly extents?: readonly Extent[];
}

/** Facts by value name: graph inputs, initializers and every node output. */
export type TracedFacts = ReadonlyMap<string, TracedFact>;

/** Options of `traceFacts`. */
export interface TraceOptions extends FeedOptions {
  /** Number of samples of the first of the two runs; the second has one more. */
  readonly batch: number;
  /** Name of the model in error messages. */
  readonly file?: string;
  /**
   * Initializers that training changes; nothing computed from them counts as constant. If absent,
   * these are all float initializers.
   */
  readonly parameters?: ReadonlySet<string>;
}

/**
 * Finds type, shape and, for shape arithmetic, value of everything in a graph by running it at two
 * batch sizes with every intermediate value as an output. A dimension that follows the batch
 * becomes `{ perSample }`. Inputs whose first dimension is fixed are run with another one too.
 *
 * @throws {RavnError} where the graph does not run, with ONNX Runtime's reason, or where a
 *   dimension neither is fixed nor follows the batch; names file, node and operator.
 */
export async function traceFacts(
  graph: Graph,
  evaluate: Evaluate,
  options: TraceOptions,
): Promise<TracedFacts> {
  const file = options.file ?? `graph '${graph.name}'`;
  const batch = batchOf(graph);
  const smaller = options.batch;
  const larger = options.batch + 1;
  const constant = constantValues(graph, options.parameters);
  const observer = new Observer(graph, evaluate, { ...options, file }, constant);
  const before = await observer.at(smaller);
  let after: Observations;
  try {
    after = await observer.at(larger);
  } catch (cause) {
    if (batch.symbol !== undefined || !(cause instanceof RavnError)) throw cause;
    throw fixedBatch(batch.size, file, cause.message);
  }
  const facts = new Map<string, TracedFact>();
  for (const [name, value] of graph.initializers) {
    facts.set(name, { dtype: value.dtype, dims: value.dims, constant: value });
  }
  const makers = makerNames(graph);
  for (const [name, first] of before) {
    const what = `${file}: ${makers.get(name) ?? `input '${name}'`}`;
    facts.set(name, factOf(name, first, after.get(name)!, [smaller, larger], what));
  }
  checkOutputsFollow(graph, batch, facts, file);
  return facts;
}

/** Names of node outputs that depend on shapes and constants alone. */
export function constantValues(graph: Graph, parameters?: ReadonlySet<string>): Set<string> {
  const varying = varyingValues(graph, parameters);
  return new Set(
    graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => !varying.has(name)),
  );
}

/** "node 'n' (Op)" by the names of its outputs. */
function makerNames(graph: Graph): Map<string, string> {
  return new Map(
    graph.nodes.flatMap(({ name, op, outputs }) =>
      outputs.map((output): [string, string] => [output, `node '${name}' (${op})`])
    ),
  );
}

function factOf(
  name: string,
  before: Observation,
  after: Observation,
  batches: readonly [number, number],
  what: string,
): TracedFact {
  const dims = before.dims.length === after.dims.length
    ? before.dims.map((dim, i) => extentOf(dim, after.dims[i]!, batches))
    : [undefined];
  if (!dims.every((dim) => dim !== undefined)) {
    throw new RavnError(
      `${what}: the shape of '${name}' is [${before.dims}] with ${batches[0]} samples and ` +
        `[${after.dims}] with ${batches[1]}; each dimension must be fixed or follow the batch`,
    );
  }
  const fact = { dtype: before.dtype, dims };
  if (before.value === undefined || after.value === undefined) return fact;
  if (sameBytes(before.value, after.value)) return { ...fact, constant: before.value };
  const extents = extentsOf(before.value, after.value, batches);
  return extents === undefined ? fact : { ...fact, extents };
}

function extentOf(
  before: number,
  after: number,
  [smaller, larger]: readonly [number, number],
): Extent | undefined {
  if (before === after) return before;
  const perSample = (after - before) / (larger - smaller);
  return before === perSample * smaller ? { perSample } : undefined;
}

function extentsOf(
  before: Tensor,
  after: Tensor,
  batches: readonly [number, number],
): Extent[] | undefined {
  if (before.dtype !== "int64" && before.dtype !== "int32") return undefined;
  const firsts = numbers(before);
  const seconds = numbers(after);
  if (firsts.length !== seconds.length) return undefined;
  const extents = Array.from(firsts, (first, i) => extentOf(first, seconds[i]!, batches));
  return extents.every((extent) => extent !== undefined) ? extents : undefined;
}

function sameBytes(a: Tensor, b: Tensor): boolean {
  if (a.dims.length !== b.dims.length || a.dims.some((dim, i) => dim !== b.dims[i])) return false;
  return a.bytes.every((byte, i) => byte === b.bytes[i]);
}

/** A shape with the batch size baked in may run and yet mix the samples: the outputs show it. */
function checkOutputsFollow(
  graph: Graph,
  batch: Batch,
  facts: ReadonlyMap<string, TracedFact>,
  file: string,
): void {
  if (batch.symbol !== undefined || batch.size === undefined) return;
  for (const { name, shape } of graph.outputs) {
    if (shape?.[0] === batch.size && typeof facts.get(name)?.dims[0] === "number") {
      throw fixedBatch(batch.size, file, `the output '${name}' keeps ${batch.size} rows`);
    }
  }
}
