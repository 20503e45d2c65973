import { kernelsFor } from "./slab.ts";

/** Updates from one removal of denormal moments to the next: one costs a fifth of an update. */
const FLUSH_EVERY = 16;

/** Hyper-parameters of Adam and AdamW for one update, named as in PyTorch. */
export interface AdamUpdate {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** AdamW: the decay shrinks the weights instead of being added to the gradient. */
  readonly decoupled: boolean;
  /** Number of this update, from 1. */
  readonly step: number;
  /** Factor on the gradient, for accumulation and clipping; 1 by default. */
  readonly gradientScale?: number;
}

/** What an Adam kernel multiplies by in one update; see {@linkcode adamScalars}. */
export interface AdamScalars {
  readonly l2: number;
  readonly beta1: number;
  readonly first: number;
  readonly beta2: number;
  readonly second: number;
  readonly stepSize: number;
  readonly eps: number;
  readonly decay: number;
}

/**
 * The scalars of one Adam update, in double precision, for a kernel that computes
 *
 *   g ← g + l2·w,  m ← β₁m + first·g,  v ← β₂v + second·g²
 *   w ← w − (stepSize·m / (√v + eps) + decay·w)
 *
 * The scale s of the gradient is in first = (1 − β₁)s, second = (1 − β₂)s² and l2 = λ/s; the bias
 * corrections c₁ and c₂ are in stepSize = lr √c₂ / c₁ and eps = ε √c₂, so that an element costs one
 * root and one division.
 */
export function adamScalars(o: AdamUpdate): AdamScalars {
  const { lr, beta1, beta2, weightDecay, decoupled, gradientScale = 1 } = o;
  const root = Math.sqrt(biasCorrection(beta2, o.step));
  return {
    l2: decoupled ? 0 : weightDecay / gradientScale,
    beta1,
    first: (1 - beta1) * gradientScale,
    beta2,
    second: (1 - beta2) * gradientScale ** 2,
    stepSize: lr * root / biasCorrection(beta1, o.step),
    eps: o.eps * root,
    decay: decoupled ? lr * weightDecay : 0,
  };
}

/**
 * 1 − βᵗ as the kernel's moments have it: Σ (1 − β)βᵏ over t steps with both factors rounded to
 * single precision. With the exact β the moments of a long run would be off by t · 10⁻⁸.
 */
function biasCorrection(beta: number, step: number): number {
  const rounded = Math.fround(beta);
  return Math.fround(1 - beta) * (1 - rounded ** step) / (1 - rounded);
}

/**
 * One update of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), as PyTorch defines
 * them, on arrays of one arena slab:
 *
 *   g ← g + λw (Adam),  w ← w − lr λw (AdamW)
 *   m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²
 *   w ← w − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
 *
 * Reads `weights` and writes `out`, which may be the same array; `m` and `v` change in place.
 *
 * @throws {TypeError} when the arrays lie in different slabs
 * @throws {RangeError} when they differ in length
 */
export function adam(
  weights: Float32Array,
  out: Float32Array,
  gradients: Float32Array,
  m: Float32Array,
  v: Float32Array,
  o: AdamUpdate,
): void {
  const { l2, beta1, first, beta2, second, stepSize, eps, decay } = adamScalars(o);
  kernelsFor(weights, out, gradients, m, v).adam(
    weights.byteOffset,
    out.byteOffset,
    gradients.byteOffset,
    m.byteOffset,
    v.byteOffset,
    weights.length,
    l2,
    beta1,
    first,
    beta2,
    second,
    stepSize,
    eps,
    decay,
    o.step % FLUSH_EVERY === 0 ? 1 : 0,
  );
}

/** Hyper-parameters of gradient descent for one update, named as in PyTorch. */
export interface SgdUpdate {
  readonly lr: number;
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
  /** The first update with this buffer takes the gradient itself as momentum. */
  readonly first: boolean;
  /** Factor on the gradient, for accumulation and clipping; 1 by default. */
  readonly gradientScale?: number;
}

/** What a kernel of gradient descent multiplies by; see {@linkcode momentumScalars}. */
export interface MomentumScalars {
  readonly gradientScale: number;
  readonly l2: number;
  readonly lr: number;
  readonly momentum: number;
  readonly fresh: number;
  readonly ofGradient: number;
  readonly ofBuffer: number;
}

/**
 * The scalars of one update of gradient descent for a kernel that computes
 *
 *   g ← gradientScale·g + l2·w,  b ← momentum·b + fresh·g
 *   w ← w − lr·(ofGradient·g + ofBuffer·b)
 */
export function momentumScalars(o: SgdUpdate): MomentumScalars {
  return {
    gradientScale: o.gradientScale ?? 1,
    l2: o.weightDecay,
    lr: o.lr,
    momentum: o.first ? 0 : o.momentum,
    fresh: o.first ? 1 : 1 - o.dampening,
    ofGradient: o.nesterov ? 1 : 0,
    ofBuffer: o.nesterov ? o.momentum : 1,
  };
}

/**
 * One update of stochastic gradient descent, as PyTorch defines it, on arrays of one arena slab:
 *
 *   g ← g + λw,  b ← μb + (1 − dampening)g  (b ← g at first)
 *   w ← w − lr·b, or w − lr·(g + μb) after Nesterov
 *
 * Without a momentum `buffer` w ← w − lr·g. Reads `weights` and writes `out`, which may be the
 * same array.
 *
 * @throws {TypeError} when the arrays lie in different slabs, or momentum has no buffer
 * @throws {RangeError} when they differ in length
 */
export function sgd(
  weights: Float32Array,
  out: Float32Array,
  gradients: Float32Array,
  buffer: Float32Array | undefined,
  o: SgdUpdate,
): void {
  const { gradientScale, l2, lr, momentum, fresh, ofGradient, ofBuffer } = momentumScalars(o);
  if (buffer === undefined) {
    if (o.momentum !== 0) throw new TypeError("momentum needs a buffer");
    kernelsFor(weights, out, gradients).sgd(
      weights.byteOffset,
      out.byteOffset,
      gradients.byteOffset,
      weights.length,
      gradientScale,
      l2,
      lr,
    );
    return;
  }
  // Whatever the buffer holds before its first use, even a NaN, must not count.
  if (o.first) buffer.fill(0);
  kernelsFor(weights, out, gradients, buffer).sgdMomentum(
    weights.byteOffset,
    out.byteOffset,
    gradients.byteOffset,
    buffer.byteOffset,
    weights.length,
    gradientScale,
    l2,
    lr,
    momentum,
    fresh,
    ofGradient,
    ofBuffer,
  );
}
