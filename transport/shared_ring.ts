import { ProtocolError } from "./protocol_error.ts";

/** Bytes that can be on their way in one direction: a power of two. */
const CAPACITY_BYTES = 1 << 20;
/** Counters before the bytes, each on a cache line of its own. */
const HEADER_BYTES = 256;
/** Bytes of one ring. */
export const RING_BYTES: number = HEADER_BYTES + CAPACITY_BYTES;

/** Positions of the counters, in 32-bit words. */
const WRITTEN = 0;
const READ = 16;
const READER_WAITS = 32;
const WRITER_WAITS = 48;

/**
 * A stream of bytes in one direction through memory that two processes share: one writes, one
 * reads. The counters run on modulo 2^32. Whoever finds nothing to do says so in the memory, looks
 * once more, and waits to be woken in another way; so the other side knows when to wake it.
 */
export class SharedRing {
  readonly #counters: Int32Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** `memory` begins at a multiple of 64 and is {@linkcode RING_BYTES} long, zeroed. */
  constructor(memory: Uint8Array<ArrayBuffer>) {
    const { buffer, byteOffset } = memory;
    this.#counters = new Int32Array(buffer, byteOffset, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(buffer, byteOffset + HEADER_BYTES, CAPACITY_BYTES);
  }

  /** Takes up to `target.length` bytes out; 0 where there are none. */
  read(target: Uint8Array): number {
    const at = Atomics.load(this.#counters, READ);
    const count = Math.min(this.#held(), target.length);
    if (count === 0) return 0;
    const start = at & (CAPACITY_BYTES - 1);
    const first = Math.min(count, CAPACITY_BYTES - start);
    target.set(this.#bytes.subarray(start, start + first));
    if (first < count) target.set(this.#bytes.subarray(0, count - first), first);
    Atomics.store(this.#counters, READ, (at + count) | 0);
    return count;
  }

  /** Puts as much of `source` in as there is room for and returns how much. */
  write(source: Uint8Array): number {
    const at = Atomics.load(this.#counters, WRITTEN);
    const count = Math.min(CAPACITY_BYTES - this.#held(), source.length);
    if (count === 0) return 0;
    const start = at & (CAPACITY_BYTES - 1);
    const first = Math.min(count, CAPACITY_BYTES - start);
    this.#bytes.set(source.subarray(0, first), start);
    if (first < count) this.#bytes.set(source.subarray(first, count));
    Atomics.store(this.#counters, WRITTEN, (at + count) | 0);
    return count;
  }

  /** True where there is nothing to read. */
  get isEmpty(): boolean {
    return this.#held() === 0;
  }

  /** True where nothing more can be written. */
  get isFull(): boolean {
    return this.#held() === CAPACITY_BYTES;
  }

  /** The reader is about to wait; false where there is something to read already. */
  readerWaits(): boolean {
    Atomics.store(this.#counters, READER_WAITS, 1);
    return this.isEmpty;
  }

  /** The writer is about to wait; false where there is room already. */
  writerWaits(): boolean {
    Atomics.store(this.#counters, WRITER_WAITS, 1);
    return this.isFull;
  }

  /** True once for each time that the reader began to wait. */
  readerWaited(): boolean {
    return Atomics.exchange(this.#counters, READER_WAITS, 0) === 1;
  }

  /** True once for each time that the writer began to wait. */
  writerWaited(): boolean {
    return Atomics.exchange(this.#counters, WRITER_WAITS, 0) === 1;
  }

  /** Bytes on their way. What the peer wrote into the counters is not believed. */
  #held(): number {
    const written = Atomics.load(this.#counters, WRITTEN);
    const held = (written - Atomics.load(this.#counters, READ)) >>> 0;
    if (held > CAPACITY_BYTES) throw new ProtocolError(`shared memory that holds ${held} bytes`);
    return held;
  }
}
