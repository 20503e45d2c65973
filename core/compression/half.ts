import { checkLength, checkRoom, subtractInParts } from "./codec.ts";
import type { Codec, CodecKernels } from "./codec.ts";

const BYTES = 2;

/**
 * `f16`: IEEE 754 binary16, rounded to the nearest, ties to even; 11 bits of precision from 2⁻¹⁴ to
 * 65504, less below. From 65520 on it is infinite. NaN stays NaN.
 *
 * `bf16`: the upper half of an f32, rounded to the nearest, ties to even; 8 bits of precision over
 * the range of f32. NaN and infinities stay what they are.
 */
export function halfCodec(name: "f16" | "bf16", kernels: CodecKernels): Codec {
  const isF16 = name === "f16";
  const write = isF16 ? kernels.encodeF16 : kernels.encodeBf16;
  const read = isF16 ? kernels.decodeF16 : kernels.decodeBf16;
  const byteLength = (elements: number) => elements * BYTES;
  const known = { name, byteLength };
  return {
    ...known,
    encode(source, target) {
      const bytes = byteLength(source.length);
      checkRoom(name, bytes, target);
      write(source, target);
      return bytes;
    },
    decode(bytes, target) {
      checkLength(known, bytes, target.length);
      read(bytes, target);
    },
    subtract(bytes, rest) {
      checkLength(known, bytes, rest.length);
      subtractInParts(rest, (at, target) => {
        read(bytes.subarray(at * BYTES, (at + target.length) * BYTES), target);
      });
    },
  };
}
