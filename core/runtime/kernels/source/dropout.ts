// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// The dropout hash of core/autodiff/dropout_hash.ts, four elements at a time.

const MULTIPLIER: i32 = 0x7feb352d;

function fold(x: v128, bits: i32): v128 {
  return i32x4.add(x, i32x4.shr_u(x, bits));
}

function stir(x: v128): v128 {
  return i32x4.mul(x, i32x4.add(i32x4.shl(x, 1), i32x4.splat(1)));
}

/** target[i] = hash(i) >= threshold ? value : 0, with the hash keyed by `first` and `second`. */
export function dropoutMask(
  target: usize,
  count: u32,
  first: i32,
  second: i32,
  threshold: u32,
  value: f32,
): void {
  const values = f32x4.splat(value);
  const seconds = i32x4.splat(second);
  const thresholds = i32x4.splat(threshold);
  const multipliers = i32x4.splat(MULTIPLIER);
  const fours = i32x4.splat(4);
  const bulk = (count & ~3) << 2;
  let index = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3));
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const spread = fold(i32x4.mul(index, multipliers), 16);
    const keyed = fold(i32x4.add(stir(spread), seconds), 15);
    const hash = fold(stir(keyed), 16);
    v128.store(target + i, v128.and(values, i32x4.ge_u(hash, thresholds)));
    index = i32x4.add(index, fours);
  }
  if ((count & 3) == 0) return;
  const spread = fold(i32x4.mul(index, multipliers), 16);
  const keyed = fold(i32x4.add(stir(spread), seconds), 15);
  const last = v128.and(values, i32x4.ge_u(fold(stir(keyed), 16), thresholds));
  store<f32>(target + i, f32x4.extract_lane(last, 0));
  if ((count & 3) > 1) store<f32>(target + i + 4, f32x4.extract_lane(last, 1));
  if ((count & 3) > 2) store<f32>(target + i + 8, f32x4.extract_lane(last, 2));
}
