/**
 * The random numbers of dropout: a hash of (seed, step, salt, element index), so that a mask can be
 * made again anywhere (in a recompute, on a device, in another process) without a generator's
 * state.
 *
 * Only 32-bit additions, multiplications and logical right shifts occur, modulo 2^32: they exist as
 * SIMD instructions, and as ONNX operators since opset 11 (an exclusive or only since 18). All
 * numbers below are unsigned 32-bit.
 *
 * ```text
 * fold(x, k):      x + (x >> k)
 * stir(x):         x * (2x + 1)
 * mix(x, second):  x = fold(x * 0x7feb352d, 16);  x = fold(stir(x) + second, 15)
 *                  return fold(stir(x), 16)
 * key:             run    = mix(seed, 0x9e3779b9)
 *                  first  = mix(run + step, 0x9e3779b9) + salt
 *                  second = mix(first, 0x9e3779b9)
 * hash(index):     mix(index + first, second)
 * keeps:           hash >= floor(ratio * 2^32)
 * ```
 *
 * `stir` is the quadratic permutation of RC6 (Rivest et al. 1998); additions alone would leave the
 * whole nearly linear. The second key keeps two masks from being shifted copies of one another.
 */

/** The odd multiplier with which `mix` starts. */
export const MULTIPLIER = 0x7feb352d;
/** Second key of the mixing that makes keys: 2^32 over the golden ratio. */
export const KEY_OFFSET = 0x9e3779b9;

/** What a mask's hash starts from; the same for every element of one mask in one step. */
export interface DropoutKey {
  /** Added to the element index. */
  readonly first: number;
  /** Added between the two rounds. */
  readonly second: number;
}

function fold(x: number, bits: number): number {
  return (x + (x >>> bits)) >>> 0;
}

function stir(x: number): number {
  return Math.imul(x, (2 * x + 1) | 0) >>> 0;
}

function mix(x: number, second: number): number {
  const spread = fold(Math.imul(x | 0, MULTIPLIER) >>> 0, 16);
  const keyed = fold((stir(spread) + second) >>> 0, 15);
  return fold(stir(keyed), 16);
}

/** The key of one mask in one step. `seed`, `step` and `salt` are taken modulo 2^32. */
export function dropoutKey(seed: number, step: number, salt: number): DropoutKey {
  const run = mix(seed >>> 0, KEY_OFFSET);
  const first = (mix(run + (step >>> 0), KEY_OFFSET) + (salt >>> 0)) >>> 0;
  return { first, second: mix(first, KEY_OFFSET) };
}

/** The 32 random bits of element `index` (row-major, modulo 2^32) under `key`. */
export function dropoutHash(key: DropoutKey, index: number): number {
  return mix((index >>> 0) + key.first, key.second);
}

/** Elements whose hash lies below are dropped: floor(ratio × 2^32), for 0 <= `ratio` < 1. */
export function dropoutThreshold(ratio: number): number {
  return Math.floor(ratio * 2 ** 32);
}

/**
 * Whether dropout keeps element `index` of the mask that `salt` names, in step `step`. This is the
 * reference for every other implementation; they agree with it bit for bit.
 *
 * @param ratio probability of dropping an element, 0 <= ratio < 1
 * @example
 * ```ts
 * const kept = dropoutKeeps(42, 7, dropoutSalt("dropout_1"), 0, 0.5);
 * ```
 */
export function dropoutKeeps(
  seed: number,
  step: number,
  salt: number,
  index: number,
  ratio: number,
): boolean {
  return dropoutHash(dropoutKey(seed, step, salt), index) >= dropoutThreshold(ratio);
}

/** A mask's salt: the 32-bit FNV-1a hash of its node's name in UTF-8. */
export function dropoutSalt(nodeName: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(nodeName)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}
