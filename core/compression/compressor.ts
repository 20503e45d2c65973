import type { Codec } from "./codec.ts";

/**
 * The sender's end of a stream of messages about the same elements. With error feedback, what a
 * message did not tell is added to the next one (Seide et al. 2014; Stich, Cordonnier and Jaggi
 * 2018):
 *
 *   y = x + e,  send C(y),  e ← y − C(y)
 *
 * so that the sum of what arrives differs from the sum of what was sent by e alone.
 */
export class Compressor {
  readonly codec: Codec;
  /** What has not been told yet, one number an element; nothing without feedback. */
  readonly residual: Float32Array | undefined;

  /** @param o.elements elements of the largest message; a shorter one is about the first of them */
  constructor(o: { readonly codec: Codec; readonly elements: number; readonly feedback: boolean }) {
    this.codec = o.codec;
    this.residual = o.feedback ? new Float32Array(o.elements) : undefined;
  }

  /**
   * Writes the next message about `source` to the beginning of `target`.
   *
   * @returns the bytes written, `codec.byteLength(source.length)`
   * @throws {RangeError} when `target` is too short, or there are more elements than was said
   */
  encode(source: Float32Array, target: Uint8Array): number {
    if (this.residual === undefined) return this.codec.encode(source, target);
    if (source.length > this.residual.length) {
      throw new RangeError(`${source.length} elements, made for ${this.residual.length}`);
    }
    const rest = this.residual.subarray(0, source.length);
    for (let i = 0; i < rest.length; i++) rest[i] = rest[i]! + source[i]!;
    const written = this.codec.encode(rest, target);
    this.codec.subtract(target.subarray(0, written), rest);
    return written;
  }
}
