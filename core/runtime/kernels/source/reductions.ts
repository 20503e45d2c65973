// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// What one number says about an array of f32 at an address that is a multiple of 16.

/** Exponent bits of an f32: all set in infinities and NaN alone. */
const EXPONENT: i32 = 0x7f800000;

/** Σ x², summed in f64 in four strands. */
export function sumOfSquares(source: usize, count: u32): f64 {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const x = v128.load(source + i);
    const first = f64x2.promote_low_f32x4(x);
    const second = f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(first, first));
    high = f64x2.add(high, f64x2.mul(second, second));
  }
  const both = f64x2.add(low, high);
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  for (; i < end; i += 4) {
    const x = <f64> load<f32>(source + i);
    sum += x * x;
  }
  return sum;
}

/** Whether an infinity or a NaN is among the elements. */
export function anyNotFinite(source: usize, count: u32): bool {
  const bulk = (count & ~3) << 2;
  const end = <usize> count << 2;
  const exponents = i32x4.splat(EXPONENT);
  let found = i32x4.splat(0);
  let i: usize = 0;
  for (; i < bulk; i += 16) {
    const masked = v128.and(v128.load(source + i), exponents);
    found = v128.or(found, i32x4.eq(masked, exponents));
  }
  if (v128.any_true(found)) return true;
  for (; i < end; i += 4) if ((load<i32>(source + i) & EXPONENT) == EXPONENT) return true;
  return false;
}
