// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Update rules of the optimizers over arrays of f32. Addresses are bytes into the imported memory,
// a multiple of 16; `out` may be `weights`. Scalars come from ../optimizers.ts, rounded from f64.

import { normal, normalLanes } from "./normal";

/**
 * Adam and AdamW:
 *   g = g + l2 w
 *   m = beta1 m + first g
 *   v = beta2 v + second g²
 *   w = w - (step_size m / (√v + eps) + decay w)
 * With `flush`, which need not be on in every update, moments that have become denormal become 0.
 * The terms that a zero makes vanish are skipped: the loop is as fast as memory without them.
 */
export function adam(
  weights: usize,
  out: usize,
  gradients: usize,
  m: usize,
  v: usize,
  count: u32,
  l2: f32,
  beta1: f32,
  first: f32,
  beta2: f32,
  second: f32,
  stepSize: f32,
  eps: f32,
  decay: f32,
  flush: bool,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const coupled = l2 != 0;
  const decoupled = decay != 0;
  const l2s = f32x4.splat(l2);
  const beta1s = f32x4.splat(beta1);
  const firsts = f32x4.splat(first);
  const beta2s = f32x4.splat(beta2);
  const seconds = f32x4.splat(second);
  const stepSizes = f32x4.splat(stepSize);
  const epss = f32x4.splat(eps);
  const decays = f32x4.splat(decay);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    let g = v128.load(gradients + i);
    if (coupled) g = f32x4.add(g, f32x4.mul(w, l2s));
    let m1 = f32x4.add(f32x4.mul(v128.load(m + i), beta1s), f32x4.mul(g, firsts));
    let v1 = f32x4.add(f32x4.mul(v128.load(v + i), beta2s), f32x4.mul(f32x4.mul(g, seconds), g));
    if (flush) {
      m1 = normalLanes(m1);
      v1 = normalLanes(v1);
    }
    v128.store(m + i, m1);
    v128.store(v + i, v1);
    let step = f32x4.div(f32x4.mul(m1, stepSizes), f32x4.add(f32x4.sqrt(v1), epss));
    if (decoupled) step = f32x4.add(step, f32x4.mul(w, decays));
    v128.store(out + i, f32x4.sub(w, step));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    let g = load<f32>(gradients + i);
    if (coupled) g += w * l2;
    let m1 = load<f32>(m + i) * beta1 + g * first;
    let v1 = load<f32>(v + i) * beta2 + g * second * g;
    if (flush) {
      m1 = normal(m1);
      v1 = normal(v1);
    }
    store<f32>(m + i, m1);
    store<f32>(v + i, v1);
    let step = m1 * stepSize / (sqrt(v1) + eps);
    if (decoupled) step += w * decay;
    store<f32>(out + i, w - step);
  }
}

/** Gradient descent: w = w - lr (gradient_scale g + l2 w). */
export function sgd(
  weights: usize,
  out: usize,
  gradients: usize,
  count: u32,
  gradientScale: f32,
  l2: f32,
  lr: f32,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const gradientScales = f32x4.splat(gradientScale);
  const l2s = f32x4.splat(l2);
  const lrs = f32x4.splat(lr);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    const g = f32x4.add(
      f32x4.mul(v128.load(gradients + i), gradientScales),
      f32x4.mul(w, l2s),
    );
    v128.store(out + i, f32x4.sub(w, f32x4.mul(g, lrs)));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    const g = load<f32>(gradients + i) * gradientScale + w * l2;
    store<f32>(out + i, w - g * lr);
  }
}

/**
 * Gradient descent with momentum:
 *   g = gradient_scale g + l2 w
 *   b = momentum b + fresh g
 *   w = w - lr (of_gradient g + of_buffer b)
 */
export function sgdMomentum(
  weights: usize,
  out: usize,
  gradients: usize,
  buffer: usize,
  count: u32,
  gradientScale: f32,
  l2: f32,
  lr: f32,
  momentum: f32,
  fresh: f32,
  ofGradient: f32,
  ofBuffer: f32,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const gradientScales = f32x4.splat(gradientScale);
  const l2s = f32x4.splat(l2);
  const lrs = f32x4.splat(lr);
  const momentums = f32x4.splat(momentum);
  const freshes = f32x4.splat(fresh);
  const ofGradients = f32x4.splat(ofGradient);
  const ofBuffers = f32x4.splat(ofBuffer);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    const g = f32x4.add(
      f32x4.mul(v128.load(gradients + i), gradientScales),
      f32x4.mul(w, l2s),
    );
    const b = normalLanes(
      f32x4.add(f32x4.mul(v128.load(buffer + i), momentums), f32x4.mul(g, freshes)),
    );
    v128.store(buffer + i, b);
    const step = f32x4.add(f32x4.mul(g, ofGradients), f32x4.mul(b, ofBuffers));
    v128.store(out + i, f32x4.sub(w, f32x4.mul(step, lrs)));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    const g = load<f32>(gradients + i) * gradientScale + w * l2;
    const b = normal(load<f32>(buffer + i) * momentum + g * fresh);
    store<f32>(buffer + i, b);
    store<f32>(out + i, w - (g * ofGradient + b * ofBuffer) * lr);
  }
}
