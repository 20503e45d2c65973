import type { RawConn } from "./raw_conn.ts";

/** From here on bytes are written from where they are; below, they are gathered first. */
const DIRECT_BYTES = 32 << 10;
const STAGING_BYTES = 2 * DIRECT_BYTES;
/**
 * A head before a large piece goes out with the start of that piece, up to so many bytes, which is
 * what a reader takes at once: it is then woken once and not for a few bytes first.
 */
const HEAD_WRITE_BYTES = 4 << 10;
const ZEROS = new Uint8Array(8);

/**
 * Writes bytes to a connection in as few calls as there can be without copying large pieces: Deno
 * has no call that writes several buffers at once.
 */
export class FrameWriter {
  /** Bytes that the connection has taken. */
  bytesWritten = 0;
  readonly #conn: RawConn;
  readonly #staging = new Uint8Array(STAGING_BYTES);
  #staged = 0;

  constructor(conn: RawConn) {
    this.#conn = conn;
  }

  /** Bytes that wait for {@linkcode flush}. */
  get staged(): number {
    return this.#staged;
  }

  /**
   * Writes `bytes`, or copies them to be written soon; with what is undefined there is nothing to
   * wait for. After it they may be reused.
   */
  put(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length >= DIRECT_BYTES) return this.#putDirectly(bytes);
    if (this.#staged + bytes.length > STAGING_BYTES) return this.#flushAndStage(bytes);
    this.#stage(bytes);
    return undefined;
  }

  /** Writes a payload and the zeros that fill it up to a multiple of 8. */
  async putPadded(bytes: Uint8Array): Promise<void> {
    const writing = this.put(bytes);
    if (writing !== undefined) await writing;
    const padding = -bytes.length & 7;
    if (padding > 0) await this.put(ZEROS.subarray(0, padding));
  }

  async #putDirectly(bytes: Uint8Array): Promise<void> {
    let from = 0;
    if (this.#staged > 0) {
      from = Math.max(0, HEAD_WRITE_BYTES - this.#staged);
      if (from > 0) this.#stage(bytes.subarray(0, from));
      await this.flush(bytes.length > from);
    }
    await this.#write(from === 0 ? bytes : bytes.subarray(from));
  }

  async #flushAndStage(bytes: Uint8Array): Promise<void> {
    await this.flush();
    this.#stage(bytes);
  }

  #stage(bytes: Uint8Array): void {
    this.#staging.set(bytes, this.#staged);
    this.#staged += bytes.length;
  }

  /** Writes what has been gathered. `more` where another write follows at once. */
  async flush(more = false): Promise<void> {
    const count = this.#staged;
    this.#staged = 0;
    if (count > 0) await this.#write(this.#staging.subarray(0, count), more);
  }

  async #write(bytes: Uint8Array, more = false): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const written = await this.#conn.write(at === 0 ? bytes : bytes.subarray(at), more);
      at += written;
      this.bytesWritten += written;
    }
  }
}
