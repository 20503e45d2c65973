// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Arrays of f32 in fewer bytes, and back. Addresses are bytes into the imported memory.

const SIGN: i32 = 0x80000000;
const MAGNITUDE: i32 = 0x7fffffff;
const INFINITY_BITS: i32 = 0x7f800000;

/** 2⁻¹⁴, the smallest normal f16. */
const F16_NORMAL: i32 = 0x38800000;
/** 2¹⁶, from where on an f16 is infinite. */
const F16_BEYOND: i32 = 0x47800000;
/** What the exponents of f16 and f32 differ by, (127 - 15) << 23. */
const F16_BIAS: i32 = 0x38000000;
/** An f32 as large as this has a last bit of 2⁻²⁴, the unit of the subnormal f16. */
const HALF: i32 = 0x3f000000;

/**
 * Four f16, each in the low half of a lane. Below 2⁻¹⁴ the way for normal numbers gives too little,
 * so the larger of the two is right; the way for tiny ones goes no further than that.
 */
// @ts-ignore: decorator
@inline
function toF16(x: v128): v128 {
  const a = v128.and(x, i32x4.splat(MAGNITUDE));
  const bounded = i32x4.min_s(a, i32x4.splat(F16_BEYOND));
  const odd = v128.and(i32x4.shr_u(bounded, 13), i32x4.splat(1));
  const normal = i32x4.add(bounded, i32x4.add(odd, i32x4.splat(0xfff - F16_BIAS)));
  const half = i32x4.splat(HALF);
  const tiny = i32x4.sub(f32x4.add(i32x4.min_s(a, i32x4.splat(F16_NORMAL)), half), half);
  const nan = v128.and(i32x4.gt_s(a, i32x4.splat(INFINITY_BITS)), i32x4.splat(0x200));
  const magnitude = v128.or(i32x4.max_s(i32x4.shr_s(normal, 13), tiny), nan);
  return v128.or(magnitude, i32x4.shr_u(v128.and(x, i32x4.splat(SIGN)), 16));
}

/**
 * Four f32 of four f16, each in the low half of a lane. The way for normal numbers gives too much
 * below 2⁻¹⁴, and that for tiny ones above it, so the smaller of the two is right.
 */
// @ts-ignore: decorator
@inline
function fromF16(h: v128): v128 {
  const a = i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13);
  const normal = i32x4.add(a, i32x4.splat(F16_BIAS));
  const unit = i32x4.splat(F16_NORMAL);
  const tiny = f32x4.sub(i32x4.add(a, unit), unit);
  const isBeyond = i32x4.ge_s(normal, i32x4.splat(F16_BEYOND));
  const beyond = v128.and(isBeyond, i32x4.splat(INFINITY_BITS));
  const magnitude = v128.or(i32x4.min_s(normal, tiny), beyond);
  return v128.or(magnitude, i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16));
}

/** Four bf16, each in the low half of a lane. */
// @ts-ignore: decorator
@inline
function toBf16(x: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(x, i32x4.add(odd, i32x4.splat(0x7fff))), 16);
  const a = v128.and(x, i32x4.splat(MAGNITUDE));
  const nan = v128.or(i32x4.shr_u(x, 16), i32x4.splat(0x40));
  return v128.bitselect(nan, rounded, i32x4.gt_s(a, i32x4.splat(INFINITY_BITS)));
}

/** target (f16) = source (f32), rounded to the nearest, ties to even */
export function encodeF16(source: usize, target: usize, count: u32): void {
  const bulk = <usize> (count & ~7);
  let i: usize = 0;
  for (; i < bulk; i += 8) {
    const low = toF16(v128.load(source + (i << 2)));
    const high = toF16(v128.load(source + (i << 2), 16));
    v128.store(target + (i << 1), i16x8.narrow_i32x4_u(low, high));
  }
  for (; i < count; i++) {
    const half = toF16(v128.load32_zero(source + (i << 2)));
    store<u16>(target + (i << 1), <u16> i32x4.extract_lane(half, 0));
  }
}

/** target (f32) = source (f16) */
export function decodeF16(source: usize, target: usize, count: u32): void {
  const bulk = <usize> (count & ~7);
  let i: usize = 0;
  for (; i < bulk; i += 8) {
    const halves = v128.load(source + (i << 1));
    v128.store(target + (i << 2), fromF16(i32x4.extend_low_i16x8_u(halves)));
    v128.store(target + (i << 2), fromF16(i32x4.extend_high_i16x8_u(halves)), 16);
  }
  for (; i < count; i++) {
    const single = fromF16(i32x4.splat(<i32> load<u16>(source + (i << 1))));
    store<f32>(target + (i << 2), f32x4.extract_lane(single, 0));
  }
}

/** target (bf16) = source (f32), rounded to the nearest, ties to even */
export function encodeBf16(source: usize, target: usize, count: u32): void {
  const bulk = <usize> (count & ~7);
  let i: usize = 0;
  for (; i < bulk; i += 8) {
    const low = toBf16(v128.load(source + (i << 2)));
    const high = toBf16(v128.load(source + (i << 2), 16));
    v128.store(target + (i << 1), i16x8.narrow_i32x4_u(low, high));
  }
  for (; i < count; i++) {
    const half = toBf16(v128.load32_zero(source + (i << 2)));
    store<u16>(target + (i << 1), <u16> i32x4.extract_lane(half, 0));
  }
}

/** target (f32) = source (bf16) */
export function decodeBf16(source: usize, target: usize, count: u32): void {
  const bulk = <usize> (count & ~7);
  let i: usize = 0;
  for (; i < bulk; i += 8) {
    const halves = v128.load(source + (i << 1));
    v128.store(target + (i << 2), i32x4.shl(i32x4.extend_low_i16x8_u(halves), 16));
    v128.store(target + (i << 2), i32x4.shl(i32x4.extend_high_i16x8_u(halves), 16), 16);
  }
  for (; i < count; i++) {
    store<u32>(target + (i << 2), <u32> load<u16>(source + (i << 1)) << 16);
  }
}

/** Elements with one scale. */
const BLOCK: u32 = 64;
/** A block whose largest magnitude is below 2⁻¹²⁰ is zero: 127 over it would be infinite. */
const INT8_ZERO: i32 = 0x03800000;
const NAN_BITS: i32 = 0x7fc00000;

/** Largest magnitude of `count` elements, as bits: those of NaN are above all others. */
// @ts-ignore: decorator
@inline
function magnitudeOf(source: usize, count: u32): i32 {
  const mask = i32x4.splat(MAGNITUDE);
  let most = i32x4.splat(0);
  const bulk = <usize> (count & ~3) << 2;
  const end = <usize> count << 2;
  let i: usize = 0;
  for (; i < bulk; i += 16) most = i32x4.max_s(most, v128.and(v128.load(source + i), mask));
  for (; i < end; i += 4) {
    most = i32x4.max_s(most, v128.and(v128.load32_zero(source + i), mask));
  }
  const pairs = i32x4.max_s(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  return max<i32>(i32x4.extract_lane(pairs, 0), i32x4.extract_lane(pairs, 1));
}

/** Four elements as whole numbers of scales. */
// @ts-ignore: decorator
@inline
function quantized(source: usize, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(source), inverse)));
}

/**
 * Blocks of 64 elements: scale (f32) = max |source| / 127, target (i8) = source / scale, rounded to
 * the nearest. The scale of a block with an infinity or a NaN is NaN.
 */
export function encodeInt8(source: usize, scales: usize, target: usize, count: u32): void {
  for (let begin: u32 = 0; begin < count; begin += BLOCK) {
    const size = min<u32>(BLOCK, count - begin);
    const from = source + (<usize> begin << 2);
    const to = target + begin;
    const most = magnitudeOf(from, size);
    const scaleAt = scales + (<usize> (begin / BLOCK) << 2);
    if (most < INT8_ZERO || most >= INFINITY_BITS) {
      store<i32>(scaleAt, most < INT8_ZERO ? 0 : NAN_BITS);
      memory.fill(to, 0, size);
      continue;
    }
    const magnitude = reinterpret<f32>(most);
    store<f32>(scaleAt, magnitude / 127);
    const inverse = <f32> 127 / magnitude;
    const inverses = f32x4.splat(inverse);
    const bulk = <usize> (size & ~15);
    let i: usize = 0;
    for (; i < bulk; i += 16) {
      const at = from + (i << 2);
      const low = i16x8.narrow_i32x4_s(quantized(at, inverses), quantized(at + 16, inverses));
      const high = i16x8.narrow_i32x4_s(
        quantized(at + 32, inverses),
        quantized(at + 48, inverses),
      );
      v128.store(to + i, i8x16.narrow_i16x8_s(low, high));
    }
    for (; i < size; i++) {
      store<i8>(to + i, <i8> nearest<f32>(load<f32>(from + (i << 2)) * inverse));
    }
  }
}

/**
 * target (f32) = scale · source (i8), in blocks of 64 elements. Gives the first block whose scale
 * no encoder writes, negative or infinite, or -1.
 */
export function decodeInt8(scales: usize, source: usize, target: usize, count: u32): i32 {
  for (let begin: u32 = 0; begin < count; begin += BLOCK) {
    const size = min<u32>(BLOCK, count - begin);
    const from = source + begin;
    const to = target + (<usize> begin << 2);
    const scaleAt = scales + (<usize> (begin / BLOCK) << 2);
    const bits = load<i32>(scaleAt);
    if (bits < 0 || bits == INFINITY_BITS) return begin / BLOCK;
    const scale = load<f32>(scaleAt);
    const factors = f32x4.splat(scale);
    const bulk = <usize> (size & ~7);
    let i: usize = 0;
    for (; i < bulk; i += 8) {
      const wide = v128.load8x8_s(from + i);
      const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide));
      const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(wide));
      v128.store(to + (i << 2), f32x4.mul(low, factors));
      v128.store(to + (i << 2), f32x4.mul(high, factors), 16);
    }
    for (; i < size; i++) {
      store<f32>(to + (i << 2), <f32> load<i8>(from + i) * scale);
    }
  }
  return -1;
}
