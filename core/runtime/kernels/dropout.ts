import { dropoutKey, dropoutThreshold } from "../../autodiff/mod.ts";
import { kernelsFor } from "./slab.ts";

/** Which mask to make: the same four numbers always make the same mask. */
export interface DropoutMask {
  readonly seed: number;
  readonly step: number;
  readonly salt: number;
  /** Probability of dropping an element, 0 <= ratio < 1. */
  readonly ratio: number;
}

/**
 * Fills an array of an arena with a dropout mask: 0 where the hash of (seed, step, salt, i) drops
 * element i, else 1 / (1 − ratio). Equal to `dropoutKeeps` of `core/autodiff` for every element.
 */
export function dropoutMask(target: Float32Array, o: DropoutMask): void {
  if (!(o.ratio >= 0 && o.ratio < 1)) {
    throw new RangeError(`a dropout ratio lies in [0, 1), got ${o.ratio}`);
  }
  const { first, second } = dropoutKey(o.seed, o.step, o.salt);
  const threshold = dropoutThreshold(o.ratio);
  kernelsFor(target).dropoutMask(
    target.byteOffset,
    target.length,
    first,
    second,
    threshold,
    1 / (1 - o.ratio),
  );
}
