import { RavnError } from "../error.ts";
import { checkLength, checkRoom, subtractInParts } from "./codec.ts";
import type { Codec, CodecKernels } from "./codec.ts";

/** Elements that share one scale. */
const BLOCK = 64;
const SCALE_BYTES = 4;

/**
 * `int8`: blocks of 64 elements, each with a scale s = max |x| / 127 (f32), and q = x / s rounded
 * to the nearest (i8), so that |x − s·q| ≤ s / 2. All scales come first, then all q. The largest
 * element of a block keeps its value to the precision of f32. A block whose largest magnitude is
 * below 2⁻¹²⁰ becomes 0; a block with a NaN or an infinity becomes NaN as a whole.
 */
export function int8Codec(kernels: CodecKernels): Codec {
  const name = "int8";
  const byteLength = (elements: number) => scaleBytes(elements) + elements;
  const known = { name, byteLength } as const;
  const read = (bytes: Uint8Array, at: number, target: Float32Array, elements: number) => {
    const first = at / BLOCK * SCALE_BYTES;
    const values = scaleBytes(elements) + at;
    const bad = kernels.decodeInt8(
      bytes.subarray(first, first + scaleBytes(target.length)),
      bytes.subarray(values, values + target.length),
      target,
    );
    if (bad < 0) return;
    throw new RavnError(
      `block ${at / BLOCK + bad} of ${elements} elements as int8 has a scale that is negative or ` +
        `infinite: the message is damaged`,
      { exitCode: 1 },
    );
  };
  return {
    ...known,
    encode(source, target) {
      const bytes = byteLength(source.length);
      checkRoom(name, bytes, target);
      const scales = scaleBytes(source.length);
      kernels.encodeInt8(source, target.subarray(0, scales), target.subarray(scales, bytes));
      return bytes;
    },
    decode(bytes, target) {
      checkLength(known, bytes, target.length);
      read(bytes, 0, target, target.length);
    },
    subtract(bytes, rest) {
      checkLength(known, bytes, rest.length);
      subtractInParts(rest, (at, target) => read(bytes, at, target, rest.length));
    },
  };
}

function scaleBytes(elements: number): number {
  return Math.ceil(elements / BLOCK) * SCALE_BYTES;
}
