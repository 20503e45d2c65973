// @ts-nocheck: AssemblyScript, compiled by ../build.ts
// Rows of f32 summed up by index into a table of which few rows are written. A table has a mark for
// each of its rows, a byte: zeros as it is, written since the last opening, or left from before.
// Addresses are bytes into the imported memory; marks begin at a multiple of 16 and are padded with
// zeros to one.

const WRITTEN: u8 = 1;
const LEFT: u8 = 2;

// @ts-ignore: decorator
@inline
function addLanes(target: usize, source: usize): void {
  v128.store(target, f32x4.add(v128.load(target), v128.load(source)));
}

// @ts-ignore: decorator
@inline
function addRow(target: usize, source: usize, bytes: usize): void {
  const whole = bytes & ~63;
  const bulk = bytes & ~15;
  let i: usize = 0;
  for (; i < whole; i += 64) {
    addLanes(target + i, source + i);
    addLanes(target + i + 16, source + i + 16);
    addLanes(target + i + 32, source + i + 32);
    addLanes(target + i + 48, source + i + 48);
  }
  for (; i < bulk; i += 16) addLanes(target + i, source + i);
  for (; i < bytes; i += 4) {
    store<f32>(target + i, load<f32>(target + i) + load<f32>(source + i));
  }
}

/** Marks the rows that were written as left from before; none is left yet. */
export function openRows(marks: usize, height: u32): void {
  for (let i: usize = 0; i < height; i += 16) {
    v128.store(marks + i, i8x16.shl(v128.load(marks + i), 1));
  }
}

/**
 * target[indices[i]] += source[i] for `count` rows of `width`, where a row that was not written
 * since the opening counts as zeros.
 */
export function addRows(
  target: usize,
  marks: usize,
  indices: usize,
  source: usize,
  count: u32,
  width: u32,
): void {
  const bytes = <usize> width << 2;
  const end = indices + (<usize> count << 2);
  for (; indices < end; indices += 4) {
    const row = <usize> load<u32>(indices);
    if (load<u8>(marks + row) == WRITTEN) addRow(target + row * bytes, source, bytes);
    else {
      memory.copy(target + row * bytes, source, bytes);
      store<u8>(marks + row, WRITTEN);
    }
    source += bytes;
  }
}

/** Fills with zeros the rows that are still left from before. */
export function clearRows(target: usize, marks: usize, height: u32, width: u32): void {
  const bytes = <usize> width << 2;
  const old = i8x16.splat(LEFT);
  for (let i: usize = 0; i < height; i += 16) {
    if (!v128.any_true(i8x16.eq(v128.load(marks + i), old))) continue;
    for (let row = i; row < i + 16; row++) {
      if (load<u8>(marks + row) != LEFT) continue;
      memory.fill(target + row * bytes, 0, bytes);
      store<u8>(marks + row, 0);
    }
  }
}
