import type { Extent } from "../onnx/mod.ts";

/** Number of elements of a shape; undefined where more than one dimension follows the batch. */
export function productOf(dims: readonly Extent[]): Extent | undefined {
  const following = dims.filter((extent) => typeof extent !== "number");
  if (following.length > 1) return undefined;
  const fixed = dims.reduce<number>((n, extent) => typeof extent === "number" ? n * extent : n, 1);
  const [batch] = following;
  return batch === undefined ? fixed : { perSample: fixed * batch.perSample };
}

/** How often `part` goes into `whole`, where that is the same or in proportion to the batch. */
export function quotientOf(whole: Extent, part: Extent): Extent | undefined {
  if (typeof part === "number") {
    return typeof whole === "number" ? whole / part : { perSample: whole.perSample / part };
  }
  return typeof whole === "number" ? undefined : whole.perSample / part.perSample;
}
