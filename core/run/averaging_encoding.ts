import type { Piece } from "../collective/mod.ts";
import type { Codec } from "../compression/mod.ts";
import { paddedSize } from "../runtime/mod.ts";
import { addTo } from "./averaging_memory.ts";
import type { PieceMemory } from "./averaging_memory.ts";

/**
 * The pieces of a node as they are sent by a codec. A node that passes a sum on encodes it. With
 * residuals it keeps what got lost, to add it the next time it sends that piece: error feedback
 * (Seide et al. 2014; Karimireddy et al. 2019). The node that has the complete sum goes by what the
 * others decode of it, so that all clusters have the same bits.
 */
export class EncodedPieces {
  readonly #codec: Codec;
  readonly #memory: PieceMemory;
  readonly #residuals: Float32Array | undefined;
  readonly #bytes = new Map<number, Uint8Array>();
  /** Sums that have arrived and are to be decoded, by the stage that sent them. */
  readonly #arriving = new Map<number, Uint8Array>();
  readonly #longest: number;

  /**
   * @param pieces those that the node holds and that are encoded, by their indices
   * @param residuals zeros for all numbers of the node; absent for no error feedback
   */
  constructor(
    codec: Codec,
    pieces: ReadonlyMap<number, Piece>,
    memory: PieceMemory,
    residuals: Float32Array | undefined,
  ) {
    this.#codec = codec;
    this.#memory = memory;
    this.#residuals = residuals;
    const lengths = [...pieces].map(([piece, { begin, end }]) => {
      return [piece, codec.byteLength(end - begin)] as const;
    });
    const all = new Uint8Array(lengths.reduce((sum, [, length]) => sum + paddedSize(length), 0));
    let at = 0;
    for (const [piece, length] of lengths) {
      this.#bytes.set(piece, all.subarray(at, at + length));
      at += paddedSize(length);
    }
    this.#longest = lengths.reduce((most, [, length]) => Math.max(most, length), 0);
  }

  /** The encoded bytes of a piece, as they were made or arrived last. */
  bytesOf(piece: number): Uint8Array {
    return this.#bytes.get(piece)!;
  }

  /**
   * Where a piece arrives from stage `stage`. A sum that is not complete is decoded before the link
   * takes the next message, so that one place a link is enough.
   */
  place(kind: "reduce" | "gather", piece: number, stage: number): Uint8Array {
    const bytes = this.bytesOf(piece);
    if (kind === "gather") return bytes;
    const place = this.#arriving.get(stage) ?? new Uint8Array(this.#longest);
    this.#arriving.set(stage, place);
    return place.subarray(0, bytes.length);
  }

  /** Decodes what has arrived into an array of all numbers of the node. */
  decode(
    kind: "reduce" | "gather",
    piece: number,
    stage: number,
    target: Float32Array,
  ): void {
    this.#codec.decode(this.place(kind, piece, stage), this.#memory.part(target, piece));
  }

  /** Encodes the sum of a piece; a complete one (`gather`) becomes what the others decode. */
  encode(kind: "reduce" | "gather", piece: number, sums: Float32Array): void {
    const bytes = this.bytesOf(piece);
    const sum = this.#memory.part(sums, piece);
    if (this.#residuals === undefined) {
      this.#codec.encode(sum, bytes);
    } else {
      const rest = this.#memory.part(this.#residuals, piece);
      addTo(rest, sum);
      this.#codec.encode(rest, bytes);
      this.#codec.subtract(bytes, rest);
    }
    if (kind === "gather") this.#codec.decode(bytes, sum);
  }
}
