import type { DType, Tensor } from "./tensor.ts";

/**
 * A dimension as tracing found it: fixed, or a multiple of the batch size
 * (`{ perSample: 3 }` is three times the number of samples).
 */
export type Extent = number | { readonly perSample: number };

/** What tracing found out about one value of a graph. */
export interface Fact {
  readonly dtype: DType;
  readonly dims: readonly Extent[];
  /**
   * The value itself, where it is the same whatever the inputs are (shape arithmetic, constants).
   */
  readonly constant?: Tensor;
}

/** Facts by value name: graph inputs, initializers and every node output. */
export type Facts = ReadonlyMap<string, Fact>;

/** Size of a dimension at a batch of `batch` samples. */
export function sizeAt(extent: Extent, batch: number): number {
  return typeof extent === "number" ? extent : extent.perSample * batch;
}

/** Shape at a batch of `batch` samples. */
export function dimsAt(dims: readonly Extent[], batch: number): number[] {
  return dims.map((extent) => sizeAt(extent, batch));
}

/** True when two shapes are equal for every batch size. */
export function sameDims(a: readonly Extent[], b: readonly Extent[]): boolean {
  return a.length === b.length && a.every((extent, i) => sameExtent(extent, b[i]!));
}

/** True when two dimensions are equal for every batch size. */
export function sameExtent(a: Extent, b: Extent): boolean {
  if (typeof a === "number" || typeof b === "number") return a === b;
  return a.perSample === b.perSample;
}
