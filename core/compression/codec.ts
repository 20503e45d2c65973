import { RavnError } from "../error.ts";

/** How an array of f32 is written in fewer bytes; `none` is the array as it is. */
export type CodecName = "none" | "f16" | "bf16" | "int8" | "topk";

/** A codec and what it is made with. */
export type CodecConfig =
  | { readonly type: "none" }
  | {
    readonly type: "f16" | "bf16" | "int8";
    /** Whether what rounding took away is added to the next message. */
    readonly feedback: boolean;
  }
  | {
    readonly type: "topk";
    /** Share of the elements that is sent, in (0, 0.5]. */
    readonly share: number;
    /** Whether what was not sent is added to the next message. */
    readonly feedback: boolean;
  };

/** The codec of each thing that travels. */
export interface CompressionConfig {
  /** What stages send forward. */
  readonly activations: CodecConfig;
  /** What they send back. */
  readonly gradients: CodecConfig;
  /** What clusters exchange to average. */
  readonly averaging: CodecConfig;
}

/**
 * Writes arrays of f32 in fewer bytes and reads them back. How many bytes depends on the number of
 * elements alone, so both ends know it beforehand. Equal input gives equal bytes. A codec keeps
 * nothing from one message to the next and takes no memory for one.
 *
 * What is not finite arrives as something that is not finite: a NaN or an infinity is never turned
 * into a number. See each codec for which.
 */
export interface Codec {
  readonly name: Exclude<CodecName, "none">;
  /** Bytes that `elements` elements take. */
  byteLength(elements: number): number;
  /**
   * Writes `source` to the beginning of `target`.
   *
   * @returns the bytes written, `byteLength(source.length)`
   * @throws {RangeError} when `target` is too short
   */
  encode(source: Float32Array, target: Uint8Array): number;
  /**
   * Reads all of `target` from `bytes`, which may come from anybody.
   *
   * @throws {RavnError} when `bytes` has another length, or is nothing that `encode` writes; what
   * `target` holds then is undefined
   */
  decode(bytes: Uint8Array, target: Float32Array): void;
  /** rest ← rest − decoded `bytes`: what the bytes do not tell of what they were made from. */
  subtract(bytes: Uint8Array, rest: Float32Array): void;
}

/**
 * The loops over bytes that the codecs are made of. All arrays hold as many elements as the array
 * of f32, and may begin anywhere in any memory.
 */
export interface CodecKernels {
  /** target (IEEE 754 binary16) ← source, rounded to the nearest, ties to even. */
  encodeF16(source: Float32Array, target: Uint8Array): void;
  decodeF16(source: Uint8Array, target: Float32Array): void;
  /** target (the upper half of an f32) ← source, rounded to the nearest, ties to even. */
  encodeBf16(source: Float32Array, target: Uint8Array): void;
  decodeBf16(source: Uint8Array, target: Float32Array): void;
  /** Blocks of 64: a scale max |x| / 127 as f32, and x / scale as i8, rounded to the nearest. */
  encodeInt8(source: Float32Array, scales: Uint8Array, target: Uint8Array): void;
  /** Gives the first block whose scale is negative or infinite, or -1 when there is none. */
  decodeInt8(scales: Uint8Array, source: Uint8Array, target: Float32Array): number;
}

/** Checks the room for a message. @throws {RangeError} when it is too short */
export function checkRoom(name: CodecName, byteLength: number, target: Uint8Array): void {
  if (target.length >= byteLength) return;
  throw new RangeError(`${name} writes ${byteLength} bytes, there is room for ${target.length}`);
}

/** Checks the length of what came. @throws {RavnError} when it is another */
export function checkLength(
  { name, byteLength }: Pick<Codec, "name" | "byteLength">,
  bytes: Uint8Array,
  elements: number,
): void {
  const expected = byteLength(elements);
  if (bytes.length === expected) return;
  throw new RavnError(
    `${elements} elements as ${name} came in ${bytes.length} bytes, expected ${expected}: ` +
      `do both ends have the same compression?`,
    { exitCode: 1 },
  );
}

/** Elements that are decoded at a time where they are only looked at; whole blocks of any codec. */
const PART = 4096;

const scratch = new Float32Array(PART);

/**
 * rest ← rest − decoded, without memory for all of it.
 *
 * @param read decodes the elements from `at` on into `target`
 */
export function subtractInParts(
  rest: Float32Array,
  read: (at: number, target: Float32Array) => void,
): void {
  for (let at = 0; at < rest.length; at += PART) {
    const part = rest.subarray(at, at + PART);
    const values = scratch.subarray(0, part.length);
    read(at, values);
    for (let i = 0; i < part.length; i++) part[i] = part[i]! - values[i]!;
  }
}
