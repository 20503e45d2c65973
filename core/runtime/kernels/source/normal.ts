// @ts-nocheck: AssemblyScript, compiled by ../build.ts

/** Least normal f32. */
const NORMAL_MIN: f32 = 1.1754943508222875e-38;

/**
 * Zero where `x` is denormal. The moments of a weight that gets no gradient any more decay into the
 * denormals and stay there, and a processor takes a hundred cycles for each operation on one.
 */
export function normalLanes(x: v128): v128 {
  return v128.andnot(x, f32x4.lt(f32x4.abs(x), f32x4.splat(NORMAL_MIN)));
}

/** As `normalLanes`, of one number. */
export function normal(x: f32): f32 {
  return abs(x) < NORMAL_MIN ? 0 : x;
}
