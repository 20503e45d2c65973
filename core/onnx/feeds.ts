import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import type { Graph, ValueInfo } from "./graph.ts";
import { type DType, DTYPES, elementCount, type Tensor, tensor } from "./tensor.ts";

/** The batch dimension of a graph's inputs. */
export interface Batch {
  /** Name of the dimension; undefined where every input has a fixed first dimension. */
  readonly symbol?: string;
  /** The fixed first dimension of the first input that has one, where there is no symbol. */
  readonly size?: number;
}

/**
 * Finds the batch dimension: a first dimension that is called so, else the first input's first
 * dimension that has a name, or else a size.
 */
export function batchOf(graph: Graph): Batch {
  const firsts = graph.inputs.flatMap(({ shape }) => shape === undefined ? [] : shape.slice(0, 1));
  const symbols = firsts.filter((dim) => typeof dim === "string");
  const symbol = symbols.find((name) => /batch/i.test(name)) ?? symbols[0];
  if (symbol !== undefined) return { symbol };
  const size = firsts.find((dim) => typeof dim === "number");
  return size === undefined ? {} : { size };
}

/** What is known about the inputs of a graph beside their declarations. */
export interface FeedOptions {
  /** Example values by input name, with any number of samples. */
  readonly inputs?: ReadonlyMap<string, Tensor>;
  /** Sizes by name of free dimensions other than the batch, e.g. `sequence` to 128. */
  readonly sizes?: ReadonlyMap<string, number>;
}

/**
 * Values for all inputs of a graph at a batch of `batch` samples: the examples, their samples
 * repeated or cut to that number, and where there are none: floats from N(0, 1) by a fixed seed,
 * integers 0 (a valid index everywhere), true.
 *
 * @throws {RavnError} naming the input whose shape cannot be known.
 */
export function feedsAt(
  graph: Graph,
  batch: number,
  options: FeedOptions,
  file: string,
): Map<string, Tensor> {
  const random = new Random(0);
  const axis = batchOf(graph);
  return new Map(graph.inputs.map((info): [string, Tensor] => {
    const example = options.inputs?.get(info.name);
    const batched = isBatched(info, axis);
    if (example !== undefined) {
      return [info.name, batched ? withSamples(example, batch) : example];
    }
    const dims = dimsOf(info, axis, batch, options, file);
    return [info.name, madeUp(info.dtype, dims, random.fork(info.name))];
  }));
}

/** True where the first dimension of an input counts samples. */
export function isBatched({ shape }: ValueInfo, { symbol, size }: Batch): boolean {
  if (shape === undefined) return true;
  const first = shape[0];
  return first !== undefined && first === (symbol ?? size);
}

function dimsOf(
  { name, shape }: ValueInfo,
  { symbol, size }: Batch,
  batch: number,
  options: FeedOptions,
  file: string,
): number[] {
  if (shape === undefined) {
    throw new RavnError(`${file}: input '${name}' declares no shape; give an example of it`);
  }
  return shape.map((dim, position) => {
    if (symbol === undefined) return position === 0 && dim === size ? batch : Number(dim);
    if (dim === symbol) return batch;
    const known = typeof dim === "number" ? dim : options.sizes?.get(dim);
    if (known === undefined) {
      throw new RavnError(
        `${file}: input '${name}' has the free dimension '${dim}' at position ${position}; ` +
          "give its size or an example of the input",
      );
    }
    return known;
  });
}

/** The tensor with `count` samples: its own in turn, as often as needed. */
function withSamples(example: Tensor, count: number): Tensor {
  const [own = 0, ...rest] = example.dims;
  if (own === count || own === 0) return example;
  const width = elementCount(rest) * DTYPES[example.dtype].bytes;
  const bytes = new Uint8Array(count * width);
  for (let i = 0; i < count; i++) {
    const start = (i % own) * width;
    bytes.set(example.bytes.subarray(start, start + width), i * width);
  }
  return { dtype: example.dtype, dims: [count, ...rest], bytes };
}

function madeUp(dtype: DType, dims: readonly number[], random: Random): Tensor {
  const count = elementCount(dims);
  if (dtype === "float32" || dtype === "float64" || dtype === "float16") {
    return tensor(dtype, dims, Array.from({ length: count }, () => random.normal()));
  }
  const bytes = new Uint8Array(count * DTYPES[dtype].bytes);
  return { dtype, dims, bytes: dtype === "bool" ? bytes.fill(1) : bytes };
}
