import { kernelsFor } from "./slab.ts";

/** Hyper-parameters of RMSprop for one update, named as in PyTorch. */
export interface RmspropUpdate {
  readonly lr: number;
  readonly alpha: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly momentum: number;
  /** Factor on the gradient, for accumulation and clipping; 1 by default. */
  readonly gradientScale?: number;
}

/** What a kernel of RMSprop multiplies by; see {@linkcode rmspropScalars}. */
export interface RmspropScalars {
  readonly gradientScale: number;
  readonly l2: number;
  readonly alpha: number;
  readonly fresh: number;
  readonly eps: number;
  readonly lr: number;
  readonly momentum: number;
}

/** The scalars of one update of RMSprop for a kernel that computes as {@linkcode rmsprop} says. */
export function rmspropScalars(o: RmspropUpdate): RmspropScalars {
  return {
    gradientScale: o.gradientScale ?? 1,
    l2: o.weightDecay,
    alpha: o.alpha,
    fresh: 1 - o.alpha,
    eps: o.eps,
    lr: o.lr,
    momentum: o.momentum,
  };
}

/**
 * One update of RMSprop (Hinton 2012; centered: Graves 2013), as PyTorch defines it, on arrays of
 * one arena slab:
 *
 *   g ← g + λw,  v ← αv + (1 − α)g²,  a ← αa + (1 − α)g
 *   d = √v + ε, or √(v − a²) + ε with an `average`
 *   b ← μb + g/d,  w ← w − lr·b, or w ← w − lr·g/d without a `buffer`
 *
 * v − a² that rounding has made negative counts as 0. Reads `weights` and writes `out`, which may
 * be the same array.
 *
 * @throws {TypeError} when the arrays lie in different slabs, or momentum has no buffer
 * @throws {RangeError} when they differ in length
 */
export function rmsprop(
  weights: Float32Array,
  out: Float32Array,
  gradients: Float32Array,
  v: Float32Array,
  average: Float32Array | undefined,
  buffer: Float32Array | undefined,
  o: RmspropUpdate,
): void {
  const { gradientScale, l2, alpha, fresh, eps, lr, momentum } = rmspropScalars(o);
  if (buffer === undefined && momentum !== 0) throw new TypeError("momentum needs a buffer");
  const kernels = kernelsFor(weights, out, gradients, v, average ?? v, buffer ?? v);
  if (average === undefined && buffer === undefined) {
    kernels.rmsprop(
      weights.byteOffset,
      out.byteOffset,
      gradients.byteOffset,
      v.byteOffset,
      weights.length,
      gradientScale,
      l2,
      alpha,
      fresh,
      eps,
      lr,
    );
    return;
  }
  kernels.rmspropFull(
    weights.byteOffset,
    out.byteOffset,
    gradients.byteOffset,
    v.byteOffset,
    average?.byteOffset ?? 0,
    buffer?.byteOffset ?? 0,
    weights.length,
    gradientScale,
    l2,
    alpha,
    fresh,
    eps,
    lr,
    momentum,
  );
}

/** Hyper-parameters of Adagrad for one update, named as in PyTorch. */
export interface AdagradUpdate {
  readonly lr: number;
  readonly lrDecay: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Number of this update, from 1. */
  readonly step: number;
  /** Factor on the gradient, for accumulation and clipping; 1 by default. */
  readonly gradientScale?: number;
}

/** What a kernel of Adagrad multiplies by; see {@linkcode adagradScalars}. */
export interface AdagradScalars {
  readonly gradientScale: number;
  readonly l2: number;
  readonly eps: number;
  readonly lr: number;
}

/** The scalars of one update of Adagrad: its rate is lr / (1 + (t − 1)·lrDecay). */
export function adagradScalars(o: AdagradUpdate): AdagradScalars {
  return {
    gradientScale: o.gradientScale ?? 1,
    l2: o.weightDecay,
    eps: o.eps,
    lr: o.lr / (1 + (o.step - 1) * o.lrDecay),
  };
}

/**
 * One update of Adagrad (Duchi, Hazan and Singer 2011), as PyTorch defines it, on arrays of one
 * arena slab:
 *
 *   g ← g + λw,  s ← s + g²,  w ← w − lr / (1 + (t − 1)·lrDecay) · g / (√s + ε)
 *
 * Reads `weights` and writes `out`, which may be the same array.
 *
 * @throws {TypeError} when the arrays lie in different slabs
 * @throws {RangeError} when they differ in length
 */
export function adagrad(
  weights: Float32Array,
  out: Float32Array,
  gradients: Float32Array,
  sums: Float32Array,
  o: AdagradUpdate,
): void {
  const { gradientScale, l2, eps, lr } = adagradScalars(o);
  kernelsFor(weights, out, gradients, sums).adagrad(
    weights.byteOffset,
    out.byteOffset,
    gradients.byteOffset,
    sums.byteOffset,
    weights.length,
    gradientScale,
    l2,
    eps,
    lr,
  );
}

/** Hyper-parameters of Lion for one update. */
export interface LionUpdate {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  /** Factor on the gradient, for accumulation and clipping; 1 by default. */
  readonly gradientScale?: number;
}

/** What a kernel of Lion multiplies by; see {@linkcode lionScalars}. */
export interface LionScalars {
  readonly gradientScale: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly lr: number;
  readonly decay: number;
}

/** The scalars of one update of Lion for a kernel that computes what {@linkcode lion} says. */
export function lionScalars(o: LionUpdate): LionScalars {
  const { lr, beta1, beta2, weightDecay, gradientScale = 1 } = o;
  return { gradientScale, beta1, beta2, lr, decay: lr * weightDecay };
}

/**
 * One update of Lion (X. Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023,
 * algorithm 2) on arrays of one arena slab:
 *
 *   w ← w − lr (sign(β₁m + (1 − β₁)g) + λw),  m ← β₂m + (1 − β₂)g
 *
 * Reads `weights` and writes `out`, which may be the same array.
 *
 * @throws {TypeError} when the arrays lie in different slabs
 * @throws {RangeError} when they differ in length
 */
export function lion(
  weights: Float32Array,
  out: Float32Array,
  gradients: Float32Array,
  m: Float32Array,
  o: LionUpdate,
): void {
  const { gradientScale, beta1, beta2, lr, decay } = lionScalars(o);
  kernelsFor(weights, out, gradients, m).lion(
    weights.byteOffset,
    out.byteOffset,
    gradients.byteOffset,
    m.byteOffset,
    weights.length,
    gradientScale,
    beta1,
    beta2,
    lr,
    decay,
  );
}
