import { RavnError } from "../error.ts";
import { checkLength, checkRoom } from "./codec.ts";
import type { Codec } from "./codec.ts";

/** A u32 for the index and an f32 for the value. */
const ENTRY_BYTES = 8;
const WORD_BYTES = 4;
/** The bits of an f32 without its sign: they order magnitudes, with NaN above infinity. */
const MAGNITUDE = 0x7fffffff;

/** Magnitudes are counted by their upper 11 bits, then the next 11, then the last 9. */
const DIGITS = [
  { shift: 20, mask: 0x7ff },
  { shift: 9, mask: 0x7ff },
  { shift: 0, mask: 0x1ff },
] as const;

/**
 * `topk`: the k = ⌈share · n⌉ elements of largest magnitude, as their indices (u32), increasing,
 * and then their values (f32), exactly; all others arrive as 0. Of equal magnitudes the first are
 * taken. A NaN counts as larger than everything: some are always sent, all if they are k at most.
 */
export function topkCodec(share: number): Codec {
  const name = "topk";
  const counts = new Uint32Array(DIGITS[0].mask + 1);
  const entriesOf = (elements: number) => Math.ceil(share * elements);
  const byteLength = (elements: number) => entriesOf(elements) * ENTRY_BYTES;
  const known = { name, byteLength } as const;
  return {
    ...known,
    encode(source, target) {
      const bytes = byteLength(source.length);
      checkRoom(name, bytes, target);
      write(source, entriesOf(source.length), target, counts);
      return bytes;
    },
    decode(bytes, target) {
      checkLength(known, bytes, target.length);
      target.fill(0);
      eachEntry(bytes, target.length, (index, value) => target[index] = value);
    },
    subtract(bytes, rest) {
      checkLength(known, bytes, rest.length);
      eachEntry(bytes, rest.length, (index, value) => rest[index] = rest[index]! - value);
    },
  };
}

function write(source: Float32Array, k: number, target: Uint8Array, counts: Uint32Array): void {
  const bits = new Int32Array(source.buffer, source.byteOffset, source.length);
  const { least, equals } = leastOf(bits, k, counts);
  const view = new DataView(target.buffer, target.byteOffset, k * ENTRY_BYTES);
  const values = k * WORD_BYTES;
  let ties = equals;
  for (let i = 0, at = 0; i < bits.length && at < values; i++) {
    const magnitude = bits[i]! & MAGNITUDE;
    if (magnitude < least) continue;
    if (magnitude === least && ties-- <= 0) continue;
    view.setUint32(at, i, true);
    view.setInt32(values + at, bits[i]!, true);
    at += WORD_BYTES;
  }
}

/**
 * The magnitude, as bits, of the k-th largest element, and how many elements of just that magnitude
 * are among the k: a radix selection from the top digit down.
 */
function leastOf(
  bits: Int32Array,
  k: number,
  counts: Uint32Array,
): { readonly least: number; readonly equals: number } {
  let prefix = 0;
  let above = MAGNITUDE;
  let missing = k;
  for (const { shift, mask } of DIGITS) {
    counts.fill(0);
    const known = MAGNITUDE & ~above;
    for (let i = 0; i < bits.length; i++) {
      const magnitude = bits[i]! & MAGNITUDE;
      if ((magnitude & known) !== prefix) continue;
      const digit = (magnitude >>> shift) & mask;
      counts[digit] = counts[digit]! + 1;
    }
    let digit = mask;
    while (digit > 0 && counts[digit]! < missing) missing -= counts[digit--]!;
    prefix |= digit << shift;
    above = (1 << shift) - 1;
  }
  return { least: prefix, equals: missing };
}

function eachEntry(
  bytes: Uint8Array,
  elements: number,
  take: (index: number, value: number) => void,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = bytes.byteLength / 2;
  for (let at = 0, past = -1; at < values; at += WORD_BYTES) {
    const index = view.getUint32(at, true);
    if (index <= past || index >= elements) {
      throw new RavnError(
        `entry ${at / WORD_BYTES} of ${elements} elements as topk has index ${index}, expected ` +
          `${past + 1} to ${elements - 1}: the message is damaged`,
        { exitCode: 1 },
      );
    }
    take(index, view.getFloat32(values + at, true));
    past = index;
  }
}
