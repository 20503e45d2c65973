// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Arithmetic on arrays of f32 in place. Addresses are bytes into the imported memory, a multiple
// of 16.

/** target = a target + b source */
export function blend(target: usize, source: usize, count: u32, a: f32, b: f32): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const as = f32x4.splat(a);
  const bs = f32x4.splat(b);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const kept = f32x4.mul(v128.load(target + i), as);
    v128.store(target + i, f32x4.add(kept, f32x4.mul(v128.load(source + i), bs)));
  }
  for (; i < end; i += 4) {
    store<f32>(target + i, load<f32>(target + i) * a + load<f32>(source + i) * b);
  }
}

/** target = target + source */
export function add(target: usize, source: usize, count: u32): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    v128.store(target + i, f32x4.add(v128.load(target + i), v128.load(source + i)));
  }
  for (; i < end; i += 4) {
    store<f32>(target + i, load<f32>(target + i) + load<f32>(source + i));
  }
}

/** target = k target */
export function scale(target: usize, count: u32, k: f32): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const ks = f32x4.splat(k);
  let i: usize = 0;
  for (; i < bulk; i += 16) v128.store(target + i, f32x4.mul(v128.load(target + i), ks));
  for (; i < end; i += 4) store<f32>(target + i, load<f32>(target + i) * k);
}

/** target = min(max(target, -limit), limit) */
export function clamp(target: usize, count: u32, limit: f32): void {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const highs = f32x4.splat(limit);
  const lows = f32x4.splat(-limit);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    v128.store(target + i, f32x4.min(f32x4.max(v128.load(target + i), lows), highs));
  }
  for (; i < end; i += 4) {
    store<f32>(target + i, min<f32>(max<f32>(load<f32>(target + i), -limit), limit));
  }
}
