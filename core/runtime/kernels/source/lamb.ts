// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// LAMB in two passes over one parameter: its step's length is known only when the whole step is.
import { normal, normalLanes } from "./normal";

/**
 * First pass:
 *   m = beta1 m + first g
 *   v = beta2 v + second g²
 * Returns Σ u², u = of_moment m / (√v + eps) + decay w, summed in f64.
 */
export function lambMoments(
  weights: usize,
  gradients: usize,
  m: usize,
  v: usize,
  count: u32,
  beta1: f32,
  first: f32,
  beta2: f32,
  second: f32,
  ofMoment: f32,
  eps: f32,
  decay: f32,
): f64 {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const beta1s = f32x4.splat(beta1);
  const firsts = f32x4.splat(first);
  const beta2s = f32x4.splat(beta2);
  const seconds = f32x4.splat(second);
  const ofMoments = f32x4.splat(ofMoment);
  const epss = f32x4.splat(eps);
  const decays = f32x4.splat(decay);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const g = v128.load(gradients + i);
    const m1 = normalLanes(
      f32x4.add(f32x4.mul(v128.load(m + i), beta1s), f32x4.mul(g, firsts)),
    );
    const v1 = normalLanes(
      f32x4.add(f32x4.mul(v128.load(v + i), beta2s), f32x4.mul(f32x4.mul(g, seconds), g)),
    );
    v128.store(m + i, m1);
    v128.store(v + i, v1);
    const moved = f32x4.div(f32x4.mul(m1, ofMoments), f32x4.add(f32x4.sqrt(v1), epss));
    const u = f32x4.add(moved, f32x4.mul(v128.load(weights + i), decays));
    const near = f64x2.promote_low_f32x4(u);
    const far = f64x2.promote_low_f32x4(v128.shuffle<i32>(u, u, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(near, near));
    high = f64x2.add(high, f64x2.mul(far, far));
  }
  const both = f64x2.add(low, high);
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  for (; i < end; i += 4) {
    const g = load<f32>(gradients + i);
    const m1 = normal(load<f32>(m + i) * beta1 + g * first);
    const v1 = normal(load<f32>(v + i) * beta2 + g * second * g);
    store<f32>(m + i, m1);
    store<f32>(v + i, v1);
    const u = <f64> (m1 * ofMoment / (sqrt(v1) + eps) + load<f32>(weights + i) * decay);
    sum += u * u;
  }
  return sum;
}

/** Second pass: w = w - lr u, with u from the moments that the first pass left. */
export function lambStep(
  weights: usize,
  out: usize,
  m: usize,
  v: usize,
  count: u32,
  ofMoment: f32,
  eps: f32,
  decay: f32,
  lr: f32,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const ofMoments = f32x4.splat(ofMoment);
  const epss = f32x4.splat(eps);
  const decays = f32x4.splat(decay);
  const lrs = f32x4.splat(lr);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    const root = f32x4.add(f32x4.sqrt(v128.load(v + i)), epss);
    const moved = f32x4.div(f32x4.mul(v128.load(m + i), ofMoments), root);
    const u = f32x4.add(moved, f32x4.mul(w, decays));
    v128.store(out + i, f32x4.sub(w, f32x4.mul(u, lrs)));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    const u = load<f32>(m + i) * ofMoment / (sqrt(load<f32>(v + i)) + eps) + w * decay;
    store<f32>(out + i, w - u * lr);
  }
}
