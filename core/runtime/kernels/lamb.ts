import { adamScalars } from "./optimizers.ts";
import { kernelsFor } from "./slab.ts";

/** Hyper-parameters of LAMB for one update. */
export interface LambUpdate {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Number of this update, from 1. */
  readonly step: number;
  /** Factor on the gradient, for accumulation and clipping; 1 by default. */
  readonly gradientScale?: number;
}

/** What a kernel of LAMB multiplies by; see {@linkcode lambScalars}. */
export interface LambScalars {
  readonly beta1: number;
  readonly first: number;
  readonly beta2: number;
  readonly second: number;
  readonly ofMoment: number;
  readonly eps: number;
  readonly decay: number;
  readonly lr: number;
}

/**
 * The scalars of one update of LAMB for a kernel that computes
 *
 *   m ← β₁m + first·g,  v ← β₂v + second·g²,  u = ofMoment·m / (√v + eps) + decay·w
 *
 * The bias corrections and the scale of the gradient are in them as in Adam's.
 */
export function lambScalars(o: LambUpdate): LambScalars {
  const { beta1, first, beta2, second, stepSize, eps } = adamScalars({
    ...o,
    lr: 1,
    weightDecay: 0,
    decoupled: true,
  });
  const { weightDecay: decay, lr } = o;
  return { beta1, first, beta2, second, ofMoment: stepSize, eps, decay, lr };
}

/**
 * One update of LAMB (Y. You et al., "Large Batch Optimization for Deep Learning: Training BERT in
 * 76 minutes", 2020, algorithm 2, φ the identity) of one parameter, in arrays of one arena slab:
 *
 *   m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²
 *   u = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε) + λw
 *   w ← w − lr ‖w‖ / ‖u‖ · u;  the ratio is 1 where either norm is 0
 *
 * The arrays must hold the whole parameter and nothing else. Reads `weights` and writes `out`,
 * which may be the same array; norms are summed in double precision.
 *
 * @throws {TypeError} when the arrays lie in different slabs
 * @throws {RangeError} when they differ in length
 */
export function lamb(
  weights: Float32Array,
  out: Float32Array,
  gradients: Float32Array,
  m: Float32Array,
  v: Float32Array,
  o: LambUpdate,
): void {
  const { beta1, first, beta2, second, ofMoment, eps, decay, lr } = lambScalars(o);
  const kernels = kernelsFor(weights, out, gradients, m, v);
  const steps = kernels.lambMoments(
    weights.byteOffset,
    gradients.byteOffset,
    m.byteOffset,
    v.byteOffset,
    weights.length,
    beta1,
    first,
    beta2,
    second,
    ofMoment,
    eps,
    decay,
  );
  const squares = kernels.sumOfSquares(weights.byteOffset, weights.length);
  const ratio = squares > 0 && steps > 0 ? Math.sqrt(squares / steps) : 1;
  kernels.lambStep(
    weights.byteOffset,
    out.byteOffset,
    m.byteOffset,
    v.byteOffset,
    weights.length,
    ofMoment,
    eps,
    decay,
    lr * ratio,
  );
}
