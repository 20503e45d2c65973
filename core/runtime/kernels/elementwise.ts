import { kernelsFor } from "./slab.ts";

/** target ← target + source, arrays of one arena slab. */
export function add(target: Float32Array, source: Float32Array): void {
  kernelsFor(target, source).add(target.byteOffset, source.byteOffset, target.length);
}

/** target ← k · target, an array of an arena. */
export function scale(target: Float32Array, k: number): void {
  kernelsFor(target).scale(target.byteOffset, target.length, k);
}

/** target ← min(max(target, −limit), limit), an array of an arena; NaN stays. */
export function clamp(target: Float32Array, limit: number): void {
  kernelsFor(target).clamp(target.byteOffset, target.length, limit);
}

/** target ← a · target + b · source, arrays of one arena slab. */
export function blend(target: Float32Array, source: Float32Array, a: number, b: number): void {
  kernelsFor(target, source).blend(target.byteOffset, source.byteOffset, target.length, a, b);
}

/**
 * target ← (1 − weight) · target + weight · correction · source, arrays of one arena slab: how a
 * running statistic takes in a batch's. The correction n / (n − 1) makes a biased variance
 * unbiased.
 */
export function lerp(
  target: Float32Array,
  source: Float32Array,
  weight: number,
  correction = 1,
): void {
  blend(target, source, 1 - weight, weight * correction);
}

/** Σ xᵢ², summed in double precision, of an array of an arena. */
export function sumOfSquares(source: Float32Array): number {
  return kernelsFor(source).sumOfSquares(source.byteOffset, source.length);
}

/** Whether an array of an arena holds an infinity or a NaN. */
export function anyNotFinite(source: Float32Array): boolean {
  return kernelsFor(source).anyNotFinite(source.byteOffset, source.length) !== 0;
}
