import type { RawConn } from "./raw_conn.ts";

/** One direction: chunks on their way, and the reader or writers that wait. */
class Channel {
  readonly #chunks: Uint8Array[] = [];
  readonly #capacity: number;
  #held = 0;
  #ended = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async read(target: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const chunk = this.#chunks[0]!;
    const count = Math.min(chunk.length, target.length);
    target.set(chunk.subarray(0, count));
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.#held -= count;
    this.#wakeWriter?.();
    return count;
  }

  async write(source: Uint8Array): Promise<number> {
    while (this.#held >= this.#capacity && !this.#ended) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
    if (this.#ended) throw new Deno.errors.BrokenPipe("the pipe is closed");
    const chunk = source.slice(0, this.#capacity - this.#held);
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    this.#wakeReader?.();
    return chunk.length;
  }

  /** Nothing more can be written; what is held can still be read unless `drop`. */
  end(drop: boolean): void {
    this.#ended = true;
    if (drop) this.#chunks.length = 0;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }
}

/**
 * Two connected ends in memory, for tests: bytes are copied, arrive in order and later, and a write
 * waits while `capacity` bytes are on their way.
 */
export function pipe(capacity = 1 << 20): [RawConn, RawConn] {
  const there = new Channel(capacity);
  const back = new Channel(capacity);
  const end = (incoming: Channel, outgoing: Channel): RawConn => ({
    read: (target) => incoming.read(target),
    write: (source) => outgoing.write(source),
    close: () => {
      incoming.end(true);
      outgoing.end(false);
    },
  });
  return [end(back, there), end(there, back)];
}
