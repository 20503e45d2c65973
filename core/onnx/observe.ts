import { messageOf, RavnError } from "../error.ts";
import { type Batch, batchOf, type FeedOptions, feedsAt, isBatched } from "./feeds.ts";
import type { Graph, Node, ValueInfo } from "./graph.ts";
import { type DType, isFloat, type Tensor } from "./tensor.ts";
import { writeObserved } from "./write.ts";

/**
 * Runs a model once: all inputs by name to all outputs by name. Where `wanted` is given, the other
 * outputs may come without their bytes.
 */
export type Evaluate = (
  model: Uint8Array,
  feeds: ReadonlyMap<string, Tensor>,
  wanted?: ReadonlySet<string>,
) => Promise<Map<string, Tensor>>;

/** Larger values are not worth a place in the file as constants. */
const CONSTANT_BYTES_MAX = 2 ** 24;

/** Larger float initializers are fed: in the file they would be copied at every turn. */
const FED_BYTES_MIN = 2 ** 16;

/** What remains of a value after a run. */
export interface Observation {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Only of values that were to be kept. */
  readonly value?: Tensor;
}

/** Observations by value name: graph inputs and every node output. */
export type Observations = ReadonlyMap<string, Observation>;

/** Runs one graph at different batch sizes, with every intermediate value as an output. */
export class Observer {
  readonly #graph: Graph;
  readonly #evaluate: Evaluate;
  readonly #options: FeedOptions;
  readonly #kept: ReadonlySet<string>;
  readonly #weights: ReadonlyMap<string, Tensor>;
  readonly #file: string;
  readonly #model: Uint8Array;

  /**
   * @param kept names of the values to keep; of the others only type and shape remain.
   * @throws {RavnError} for operators whose results are no tensors.
   */
  constructor(
    graph: Graph,
    evaluate: Evaluate,
    options: FeedOptions & { readonly file: string },
    kept: ReadonlySet<string>,
  ) {
    for (const node of graph.nodes) refuseSequences(node, options.file);
    this.#graph = graph;
    this.#evaluate = evaluate;
    this.#options = options;
    this.#kept = kept;
    this.#file = options.file;
    const made = graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== "");
    this.#weights = largeWeights(graph);
    this.#model = writeObserved(withInputs(withFreeInputs(graph), this.#weights), made);
  }

  /** @throws {RavnError} with ONNX Runtime's reason where the graph does not run. */
  async at(batch: number): Promise<Observations> {
    const feeds = feedsAt(this.#graph, batch, this.#options, this.#file);
    let values: Map<string, Tensor>;
    try {
      values = await this.#evaluate(
        this.#model,
        new Map([...feeds, ...this.#weights]),
        this.#kept,
      );
    } catch (cause) {
      const what = `${this.#file}: does not run with ${batch} samples`;
      throw new RavnError(`${what}: ${messageOf(cause)}`, { cause });
    }
    const observations = new Map<string, Observation>();
    for (const [name, value] of [...feeds, ...values]) {
      const { dtype, dims, bytes } = value;
      const kept = this.#kept.has(name) && bytes.byteLength <= CONSTANT_BYTES_MAX;
      observations.set(name, { dtype, dims, ...(kept ? { value } : {}) });
    }
    return observations;
  }
}

/** Float initializers that take much memory. */
function largeWeights(graph: Graph): Map<string, Tensor> {
  return new Map(
    [...graph.initializers].filter(([, { dtype, bytes }]) =>
      isFloat(dtype) && bytes.byteLength >= FED_BYTES_MIN
    ),
  );
}

/** The graph with some of its initializers as inputs. */
function withInputs(graph: Graph, fed: ReadonlyMap<string, Tensor>): Graph {
  const inputs = [...fed].map(([name, { dtype, dims }]) => ({ name, dtype, shape: dims }));
  return {
    ...graph,
    inputs: [...graph.inputs, ...inputs],
    initializers: new Map([...graph.initializers].filter(([name]) => !fed.has(name))),
  };
}

/** The graph with `"batch"` for the batch dimension of its inputs, and no shapes of outputs. */
function withFreeInputs(graph: Graph): Graph {
  const batch = batchOf(graph);
  return {
    ...graph,
    inputs: graph.inputs.map((info) => withBatchName(info, batch)),
    // Declared shapes may contain a fixed batch size.
    outputs: graph.outputs.map(({ name, dtype }) => ({ name, dtype })),
  };
}

/** The declaration with its first dimension named `"batch"`, if that counts samples. */
export function withBatchName(info: ValueInfo, batch: Batch): ValueInfo {
  if (info.shape === undefined || !isBatched(info, batch)) return info;
  return { ...info, shape: ["batch", ...info.shape.slice(1)] };
}

/** The error for a model that works with one batch size only. */
export function fixedBatch(size: number | undefined, file: string, why: string): RavnError {
  return new RavnError(
    `${file}: the batch size is fixed at ${size} and cannot be changed (${why}); ` +
      "export the model with a free first dimension",
  );
}

function refuseSequences(node: Node, file: string): void {
  if (node.domain === "" && /^(Sequence(?!At|Length)|SplitToSequence|Optional)/.test(node.op)) {
    throw new RavnError(
      `${file}: node '${node.name}' (${node.op}): works on sequences, only tensors are supported`,
    );
  }
}
