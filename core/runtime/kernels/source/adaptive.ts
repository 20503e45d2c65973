// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Update rules that scale each element by the size of its gradients, and Lion. As in optimizers.ts,
// addresses are multiples of 16, `out` may be `weights`, and denormal state becomes 0.
import { normal, normalLanes } from "./normal";

/**
 * RMSprop:
 *   g = gradient_scale g + l2 w
 *   v = alpha v + fresh g²
 *   w = w - lr g / (√v + eps)
 */
export function rmsprop(
  weights: usize,
  out: usize,
  gradients: usize,
  v: usize,
  count: u32,
  gradientScale: f32,
  l2: f32,
  alpha: f32,
  fresh: f32,
  eps: f32,
  lr: f32,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const gradientScales = f32x4.splat(gradientScale);
  const l2s = f32x4.splat(l2);
  const alphas = f32x4.splat(alpha);
  const freshes = f32x4.splat(fresh);
  const epss = f32x4.splat(eps);
  const lrs = f32x4.splat(lr);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    const g = f32x4.add(f32x4.mul(v128.load(gradients + i), gradientScales), f32x4.mul(w, l2s));
    const kept = f32x4.mul(v128.load(v + i), alphas);
    const v1 = normalLanes(f32x4.add(kept, f32x4.mul(f32x4.mul(g, freshes), g)));
    v128.store(v + i, v1);
    const step = f32x4.div(g, f32x4.add(f32x4.sqrt(v1), epss));
    v128.store(out + i, f32x4.sub(w, f32x4.mul(step, lrs)));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    const g = load<f32>(gradients + i) * gradientScale + w * l2;
    const v1 = normal(load<f32>(v + i) * alpha + g * fresh * g);
    store<f32>(v + i, v1);
    store<f32>(out + i, w - g / (sqrt(v1) + eps) * lr);
  }
}

/**
 * RMSprop with any of its two further averages; an address of 0 leaves one out:
 *   g = gradient_scale g + l2 w
 *   v = alpha v + fresh g²
 *   a = alpha a + fresh g             d = √max(v - a², 0) + eps, or √v + eps without a
 *   b = momentum b + g / d            w = w - lr b, or w - lr g / d without b
 */
export function rmspropFull(
  weights: usize,
  out: usize,
  gradients: usize,
  v: usize,
  average: usize,
  buffer: usize,
  count: u32,
  gradientScale: f32,
  l2: f32,
  alpha: f32,
  fresh: f32,
  eps: f32,
  lr: f32,
  momentum: f32,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const gradientScales = f32x4.splat(gradientScale);
  const l2s = f32x4.splat(l2);
  const alphas = f32x4.splat(alpha);
  const freshes = f32x4.splat(fresh);
  const epss = f32x4.splat(eps);
  const lrs = f32x4.splat(lr);
  const momentums = f32x4.splat(momentum);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    const g = f32x4.add(f32x4.mul(v128.load(gradients + i), gradientScales), f32x4.mul(w, l2s));
    const fed = f32x4.mul(g, freshes);
    const v1 = normalLanes(f32x4.add(f32x4.mul(v128.load(v + i), alphas), f32x4.mul(fed, g)));
    v128.store(v + i, v1);
    let spread = v1;
    if (average != 0) {
      const a = normalLanes(f32x4.add(f32x4.mul(v128.load(average + i), alphas), fed));
      v128.store(average + i, a);
      spread = f32x4.max(f32x4.sub(v1, f32x4.mul(a, a)), f32x4.splat(0));
    }
    let step = f32x4.div(g, f32x4.add(f32x4.sqrt(spread), epss));
    if (buffer != 0) {
      step = normalLanes(f32x4.add(f32x4.mul(v128.load(buffer + i), momentums), step));
      v128.store(buffer + i, step);
    }
    v128.store(out + i, f32x4.sub(w, f32x4.mul(step, lrs)));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    const g = load<f32>(gradients + i) * gradientScale + w * l2;
    const fed = g * fresh;
    const v1 = normal(load<f32>(v + i) * alpha + fed * g);
    store<f32>(v + i, v1);
    let spread = v1;
    if (average != 0) {
      const a = normal(load<f32>(average + i) * alpha + fed);
      store<f32>(average + i, a);
      spread = max<f32>(v1 - a * a, 0);
    }
    let step = g / (sqrt(spread) + eps);
    if (buffer != 0) {
      step = normal(load<f32>(buffer + i) * momentum + step);
      store<f32>(buffer + i, step);
    }
    store<f32>(out + i, w - step * lr);
  }
}

/**
 * Adagrad:
 *   g = gradient_scale g + l2 w
 *   s = s + g²
 *   w = w - lr g / (√s + eps)
 */
export function adagrad(
  weights: usize,
  out: usize,
  gradients: usize,
  sums: usize,
  count: u32,
  gradientScale: f32,
  l2: f32,
  eps: f32,
  lr: f32,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const gradientScales = f32x4.splat(gradientScale);
  const l2s = f32x4.splat(l2);
  const epss = f32x4.splat(eps);
  const lrs = f32x4.splat(lr);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    const g = f32x4.add(f32x4.mul(v128.load(gradients + i), gradientScales), f32x4.mul(w, l2s));
    const s = f32x4.add(v128.load(sums + i), f32x4.mul(g, g));
    v128.store(sums + i, s);
    const step = f32x4.div(g, f32x4.add(f32x4.sqrt(s), epss));
    v128.store(out + i, f32x4.sub(w, f32x4.mul(step, lrs)));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    const g = load<f32>(gradients + i) * gradientScale + w * l2;
    const s = load<f32>(sums + i) + g * g;
    store<f32>(sums + i, s);
    store<f32>(out + i, w - g / (sqrt(s) + eps) * lr);
  }
}

/** 1, 0 or -1 by the sign of each lane; NaN stays. */
function signLanes(x: v128): v128 {
  const positive = v128.and(f32x4.gt(x, f32x4.splat(0)), f32x4.splat(1));
  const negative = v128.and(f32x4.lt(x, f32x4.splat(0)), f32x4.splat(1));
  const sign = f32x4.sub(positive, negative);
  return v128.bitselect(x, sign, f32x4.ne(x, x));
}

/**
 * Lion, with m - g in the place of two products of m:
 *   g = gradient_scale g,  d = m - g
 *   u = sign(g + beta1 d)
 *   m = g + beta2 d
 *   w = w - (lr u + decay w)
 */
export function lion(
  weights: usize,
  out: usize,
  gradients: usize,
  m: usize,
  count: u32,
  gradientScale: f32,
  beta1: f32,
  beta2: f32,
  lr: f32,
  decay: f32,
): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const gradientScales = f32x4.splat(gradientScale);
  const beta1s = f32x4.splat(beta1);
  const beta2s = f32x4.splat(beta2);
  const lrs = f32x4.splat(lr);
  const decays = f32x4.splat(decay);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const w = v128.load(weights + i);
    const g = f32x4.mul(v128.load(gradients + i), gradientScales);
    const d = f32x4.sub(v128.load(m + i), g);
    const u = signLanes(f32x4.add(g, f32x4.mul(d, beta1s)));
    v128.store(m + i, normalLanes(f32x4.add(g, f32x4.mul(d, beta2s))));
    v128.store(out + i, f32x4.sub(w, f32x4.add(f32x4.mul(u, lrs), f32x4.mul(w, decays))));
  }
  for (; i < end; i += 4) {
    const w = load<f32>(weights + i);
    const g = load<f32>(gradients + i) * gradientScale;
    const d = load<f32>(m + i) - g;
    const mixed = g + d * beta1;
    const u: f32 = mixed > 0 ? 1 : mixed < 0 ? -1 : mixed == 0 ? 0 : mixed;
    store<f32>(m + i, normal(g + d * beta2));
    store<f32>(out + i, w - (u * lr + w * decay));
  }
}
