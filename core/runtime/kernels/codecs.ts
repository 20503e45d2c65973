import type { CodecKernels } from "../../compression/mod.ts";
import { createSlab, kernelsOn } from "./slab.ts";
import type { Kernels } from "./slab.ts";

/** Elements that are worked on at a time where they do not lie in an arena; whole blocks of 64. */
const CHUNK = 16384;
const BLOCK = 64;
const SCALE_BYTES = 4;

/** Memory through which arrays pass that lie in no slab, or in several. */
interface Staging {
  readonly kernels: Kernels;
  readonly floats: Float32Array;
  readonly bytes: Uint8Array;
  readonly scales: Uint8Array;
}

let made: Staging | undefined;

function staging(): Staging {
  if (made !== undefined) return made;
  const slab = createSlab(CHUNK * 4 + CHUNK * 2 + CHUNK / BLOCK * SCALE_BYTES);
  const bytes = new Uint8Array(slab, CHUNK * 4, CHUNK * 2);
  const scales = new Uint8Array(slab, CHUNK * 6, CHUNK / BLOCK * SCALE_BYTES);
  made = { kernels: kernelsOn(slab)!, floats: new Float32Array(slab, 0, CHUNK), bytes, scales };
  return made;
}

/** The kernels over the slab in which all of `arrays` lie, if it is one. */
function inPlace(...arrays: readonly (Float32Array | Uint8Array)[]): Kernels | undefined {
  const { buffer } = arrays[0]!;
  return arrays.every((array) => array.buffer === buffer) ? kernelsOn(buffer) : undefined;
}

function encodeHalves(kernel: "encodeF16" | "encodeBf16") {
  return (source: Float32Array, target: Uint8Array): void => {
    const { length } = source;
    const direct = inPlace(source, target);
    if (direct !== undefined) return direct[kernel](source.byteOffset, target.byteOffset, length);
    const { kernels, floats, bytes } = staging();
    for (let at = 0; at < length; at += CHUNK) {
      const count = Math.min(CHUNK, length - at);
      floats.set(source.subarray(at, at + count));
      kernels[kernel](floats.byteOffset, bytes.byteOffset, count);
      target.set(bytes.subarray(0, count * 2), at * 2);
    }
  };
}

function decodeHalves(kernel: "decodeF16" | "decodeBf16") {
  return (source: Uint8Array, target: Float32Array): void => {
    const { length } = target;
    const direct = inPlace(source, target);
    if (direct !== undefined) return direct[kernel](source.byteOffset, target.byteOffset, length);
    const { kernels, floats, bytes } = staging();
    for (let at = 0; at < length; at += CHUNK) {
      const count = Math.min(CHUNK, length - at);
      bytes.set(source.subarray(at * 2, (at + count) * 2));
      kernels[kernel](bytes.byteOffset, floats.byteOffset, count);
      target.set(floats.subarray(0, count), at);
    }
  };
}

function encodeInt8(source: Float32Array, scales: Uint8Array, target: Uint8Array): void {
  const { length } = source;
  const direct = inPlace(source, scales, target);
  if (direct !== undefined) {
    direct.encodeInt8(source.byteOffset, scales.byteOffset, target.byteOffset, length);
    return;
  }
  const stage = staging();
  const { kernels, floats, bytes } = stage;
  for (let at = 0; at < length; at += CHUNK) {
    const count = Math.min(CHUNK, length - at);
    floats.set(source.subarray(at, at + count));
    kernels.encodeInt8(floats.byteOffset, stage.scales.byteOffset, bytes.byteOffset, count);
    scales.set(stage.scales.subarray(0, scaleBytes(count)), scaleBytes(at));
    target.set(bytes.subarray(0, count), at);
  }
}

function decodeInt8(scales: Uint8Array, source: Uint8Array, target: Float32Array): number {
  const { length } = target;
  const direct = inPlace(scales, source, target);
  if (direct !== undefined) {
    return direct.decodeInt8(scales.byteOffset, source.byteOffset, target.byteOffset, length);
  }
  const stage = staging();
  const { kernels, floats, bytes } = stage;
  for (let at = 0; at < length; at += CHUNK) {
    const count = Math.min(CHUNK, length - at);
    const first = scaleBytes(at);
    stage.scales.set(scales.subarray(first, first + scaleBytes(count)));
    bytes.set(source.subarray(at, at + count));
    const bad = kernels.decodeInt8(
      stage.scales.byteOffset,
      bytes.byteOffset,
      floats.byteOffset,
      count,
    );
    if (bad >= 0) return at / BLOCK + bad;
    target.set(floats.subarray(0, count), at);
  }
  return -1;
}

function scaleBytes(elements: number): number {
  return Math.ceil(elements / BLOCK) * SCALE_BYTES;
}

/**
 * The SIMD kernels of the codecs. Arrays that lie in one slab of an arena are worked on in place;
 * others pass through memory of the kernels, some thousands of elements at a time.
 */
export const codecKernels: CodecKernels = {
  encodeF16: encodeHalves("encodeF16"),
  decodeF16: decodeHalves("decodeF16"),
  encodeBf16: encodeHalves("encodeBf16"),
  decodeBf16: decodeHalves("decodeBf16"),
  encodeInt8,
  decodeInt8,
};
