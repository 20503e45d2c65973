import { RavnError } from "../error.ts";
import { batchOf, type FeedOptions } from "./feeds.ts";
import type { Dimension, Graph, ValueInfo } from "./graph.ts";

/** What is known of the free dimensions of a graph, and what to take where nothing is. */
export interface SizeOptions extends FeedOptions {
  /** Shapes of the inputs as the data have them, the batch first. */
  readonly shapes?: ReadonlyMap<string, readonly number[]>;
  /** Size of a free dimension of which nothing is known; it stays free if absent. */
  readonly otherwise?: number;
}

/**
 * The graph with sizes for its free dimensions other than the batch: a sequence length, the height
 * of an image. The data decide, then `sizes`. Gradients are written for one size
 * of these dimensions, so the data of a training must all have it.
 *
 * @throws {RavnError} where examples differ in a dimension of one name, or the batch comes second.
 */
export function withSizes(graph: Graph, options: SizeOptions, file: string): Graph {
  const { symbol } = batchOf(graph);
  if (symbol === undefined) return graph;
  checkBatchFirst(graph, symbol, file);
  const sizes = new Map(options.sizes);
  const from = new Map<string, string>();
  for (const { name, shape = [] } of graph.inputs) {
    const given = options.shapes?.get(name) ?? options.inputs?.get(name)?.dims;
    if (given === undefined) continue;
    shape.forEach((dim, axis) => {
      const size = given[axis];
      if (typeof dim !== "string" || dim === symbol || size === undefined) return;
      const other = from.get(dim);
      if (other !== undefined && sizes.get(dim) !== size) {
        throw new RavnError(
          `${file}: dimension '${dim}' is ${sizes.get(dim)} in the data of input '${other}' and ` +
            `${size} in that of '${name}'; expected one size`,
        );
      }
      sizes.set(dim, size);
      from.set(dim, name);
    });
  }
  const sized = (dim: Dimension): Dimension =>
    typeof dim === "number" || dim === symbol ? dim : sizes.get(dim) ?? options.otherwise ?? dim;
  return {
    ...graph,
    inputs: graph.inputs.map((info) => withShape(info, sized)),
    outputs: graph.outputs.map((info) => withShape(info, sized)),
  };
}

function withShape(info: ValueInfo, sized: (dim: Dimension) => Dimension): ValueInfo {
  return info.shape === undefined ? info : { ...info, shape: info.shape.map(sized) };
}

/** A dimension that is called the batch, but never stands first. */
function checkBatchFirst({ inputs }: Graph, symbol: string, file: string): void {
  if (/batch/i.test(symbol)) return;
  for (const { name, shape = [] } of inputs) {
    const axis = shape.findIndex((dim) => typeof dim === "string" && /batch/i.test(dim));
    if (axis < 1) continue;
    throw new RavnError(
      `${file}: input '${name}' has its batch in dimension ${axis}; expected it first: ` +
        "export the model with batch_first, or transpose the input in the model",
    );
  }
}

/** True where a graph has free dimensions other than the batch. */
export function hasFreeSizes(graph: Graph): boolean {
  const { symbol } = batchOf(graph);
  return graph.inputs.some(({ shape = [] }) =>
    shape.some((dim) => typeof dim === "string" && dim !== symbol)
  );
}
