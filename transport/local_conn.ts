import { setImmediate } from "node:timers";
import type { MemoryOffer, RawConn } from "./raw_conn.ts";
import { RING_BYTES, SharedRing } from "./shared_ring.ts";

/** Memory that processes of one host share. */
export interface SharedBlock extends Disposable {
  /** By which another process opens it. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Where shared memory comes from; both give undefined where there is none to be had. */
export interface SharedMemory {
  /** Makes a block of zeros. */
  create(byteLength: number): SharedBlock | undefined;
  /** Maps a block that another process made. */
  open(name: string, byteLength: number): SharedBlock | undefined;
}

/** The two directions of a connection, as one end sees them. */
interface Rings {
  readonly incoming: SharedRing;
  readonly outgoing: SharedRing;
}

const BLOCK_BYTES = 2 * RING_BYTES;
const BELL = new Uint8Array([1]);

/**
 * A connection between two processes of one host. It begins as a socket; once both ends have agreed
 * in the handshake, bytes go through memory that they share, and the socket only wakes a side that
 * waits, with a byte that means no more than "look again". A megabyte then crosses in one go where
 * a Unix socket takes 208 KiB at a time, each with a wake-up on either side. That the peer is gone
 * still shows at the socket.
 */
export class LocalConn implements RawConn, MemoryOffer {
  readonly #socket: RawConn;
  readonly #memory: SharedMemory;
  #block: SharedBlock | undefined;
  /** True at the end that made the block. */
  #isMaker = false;
  #rings: Rings | undefined;
  #isEnded = false;
  #isClosed = false;
  #asksForBell = false;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  constructor(socket: RawConn, memory: SharedMemory) {
    this.#socket = socket;
    this.#memory = memory;
  }

  get memory(): MemoryOffer {
    return this;
  }

  offer(): string {
    this.#block = this.#memory.create(BLOCK_BYTES);
    this.#isMaker = true;
    return this.#block?.name ?? "";
  }

  take(name: string): boolean {
    if (name !== "") this.#block = this.#memory.open(name, BLOCK_BYTES);
    return this.#block !== undefined;
  }

  begin(): void {
    const { bytes } = this.#block!;
    const [a, b] = [bytes.subarray(0, RING_BYTES), bytes.subarray(RING_BYTES)];
    const [outgoing, incoming] = this.#isMaker ? [a, b] : [b, a];
    this.#rings = { outgoing: new SharedRing(outgoing), incoming: new SharedRing(incoming) };
    this.#listen();
  }

  decline(): void {
    this.#block?.[Symbol.dispose]();
    this.#block = undefined;
  }

  async read(target: Uint8Array): Promise<number | null> {
    if (this.#rings === undefined) return await this.#socket.read(target);
    for (;;) {
      const rings = this.#open();
      const count = rings.incoming.read(target);
      if (count > 0) {
        if (rings.incoming.writerWaited()) this.#ring();
        return count;
      }
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
        this.#askForBell();
      });
    }
  }

  look(): void {
    this.#wakeUnless((incoming) => incoming.isEmpty);
  }

  async write(source: Uint8Array, more = false): Promise<number> {
    if (this.#rings === undefined) return await this.#socket.write(source);
    for (;;) {
      const rings = this.#open();
      if (this.#isEnded) throw new Deno.errors.BrokenPipe("the peer closed the connection");
      const count = rings.outgoing.write(source);
      if (count > 0) {
        const isLast = !more && count === source.length;
        if ((isLast || rings.outgoing.isFull) && rings.outgoing.readerWaited()) this.#ring();
        return count;
      }
      if (!rings.outgoing.writerWaits()) continue;
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#rings = undefined;
    this.decline();
    this.#end();
    this.#socket.close();
  }

  /**
   * Asks to be woken once the event loop has gone around. Until then nobody here could take in what
   * comes, and who computes in between looks of itself: so a busy side costs the peer no bell.
   */
  #askForBell(): void {
    if (this.#asksForBell) return;
    this.#asksForBell = true;
    setImmediate(() => {
      this.#asksForBell = false;
      this.#wakeUnless((incoming) => incoming.readerWaits());
    });
  }

  #wakeUnless(hasNothing: (incoming: SharedRing) => boolean): void {
    if (this.#rings === undefined) return;
    try {
      if (hasNothing(this.#rings.incoming)) return;
    } catch {
      // The counters are nonsense, which the read tells.
    }
    this.#wakeReader();
  }

  #open(): Rings {
    if (this.#rings === undefined) throw new Deno.errors.BadResource("the connection is closed");
    return this.#rings;
  }

  /** Wakes the peer. Where that fails, the peer is gone, which the listening side notices. */
  #ring(): void {
    this.#socket.write(BELL).catch(() => this.#end());
  }

  async #listen(): Promise<void> {
    const bells = new Uint8Array(64);
    try {
      while (await this.#socket.read(bells) !== null) this.#wake();
    } catch {
      // The connection was reset or closed: it has ended, as with null.
    }
    this.#end();
  }

  #end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  #wake(): void {
    this.#wakeReader();
    this.#wakeWriter();
  }
}
