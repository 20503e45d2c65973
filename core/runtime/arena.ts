import { EXIT, RavnError } from "../error.ts";
import { createSlab, PAGE_BYTES, SLAB_PAGES_MAX } from "./kernels/slab.ts";
import { ALIGNMENT_BYTES } from "./memory.ts";

/** A block of memory that was taken as a whole and is given out from its start. */
interface Slab {
  readonly buffer: ArrayBufferLike;
  used: number;
}

/**
 * The memory of a stage: its parameters, gradients and moments, each 64-byte aligned and zeroed, in
 * WebAssembly memory so that the kernels work on them in place. It is given out once and freed as a
 * whole, when nothing refers to it any more. One WebAssembly memory ends at 4 GiB, so a large arena
 * is several slabs; what a kernel works on together must be allocated together.
 */
export class Arena {
  /** Bytes that the arena was made for. */
  readonly byteLength: number;
  readonly #slabBytesMax: number;
  readonly #slabs: Slab[] = [];
  #allocated = 0;

  /**
   * @param byteLength sum of all sizes to come, each rounded up to 64
   * @param o.slabBytesMax size at which a new slab begins; a test makes it small
   */
  constructor(byteLength: number, o: { slabBytesMax?: number } = {}) {
    this.byteLength = byteLength;
    this.#slabBytesMax = o.slabBytesMax ?? SLAB_PAGES_MAX * PAGE_BYTES;
  }

  /** Bytes given out so far, each allocation rounded up to 64. */
  get allocated(): number {
    return this.#allocated;
  }

  /** Number of slabs in use. */
  get slabs(): number {
    return this.#slabs.length;
  }

  /** `byteLength` zeroed bytes. @throws {RavnError} when the arena is full. */
  allocate(byteLength: number): Uint8Array {
    return this.allocateTogether([byteLength])[0]!;
  }

  /** `count` zeroed numbers. @throws {RavnError} when the arena is full. */
  allocateFloats(count: number): Float32Array {
    return floatsOf(this.allocate(count * 4));
  }

  /**
   * Zeroed memory of each size, all in one slab and one behind the other, for what a kernel works
   * on together: a parameter's versions, its gradient and its moments.
   *
   * @throws {RavnError} when the arena is full, or one slab cannot hold them all
   */
  allocateTogether(byteLengths: readonly number[]): Uint8Array[] {
    const total = byteLengths.reduce((sum, byteLength) => sum + paddedSize(byteLength), 0);
    if (this.#allocated + total > this.byteLength) {
      throw new RavnError(
        `the arena is full: ${total} bytes asked for, ` +
          `${this.byteLength - this.#allocated} of ${this.byteLength} left`,
        { exitCode: EXIT.failure },
      );
    }
    const slab = this.#slabFor(total);
    this.#allocated += total;
    return byteLengths.map((byteLength) => {
      const view = new Uint8Array(slab.buffer, slab.used, byteLength);
      slab.used += paddedSize(byteLength);
      return view;
    });
  }

  #slabFor(total: number): Slab {
    const room = this.#slabs.find(({ buffer, used }) => buffer.byteLength - used >= total);
    if (room !== undefined) return room;
    if (total > this.#slabBytesMax) {
      throw new RavnError(
        `${total} bytes must lie together, but one slab of an arena ends at ` +
          `${this.#slabBytesMax} bytes; split the stage`,
        { exitCode: EXIT.failure },
      );
    }
    const rest = Math.min(this.#slabBytesMax, this.byteLength - this.#allocated);
    const slab = { buffer: slabMemory(rest), used: 0 };
    this.#slabs.push(slab);
    return slab;
  }
}

/** The size that an allocation of `byteLength` bytes takes of an arena. */
export function paddedSize(byteLength: number): number {
  return Math.ceil(byteLength / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/** The same memory as f32 numbers. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

function slabMemory(byteLength: number): ArrayBufferLike {
  try {
    return createSlab(byteLength);
  } catch (thrown) {
    throw new RavnError(
      `${byteLength} bytes of memory for a stage cannot be had on this machine; ` +
        `split the model over more nodes, or lower batch_size or in_flight`,
      { exitCode: EXIT.failure, cause: thrown },
    );
  }
}
