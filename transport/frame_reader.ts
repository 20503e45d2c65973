import { type Body, decode } from "./decode.ts";
import { segmentCount, segmentSizes, tableBytes } from "./guard.ts";
import { HeadCache } from "./head_cache.ts";
import type { Limits } from "./limits.ts";
import { demand } from "./protocol_error.ts";
import { ConnectionEnded, type RawConn } from "./raw_conn.ts";

const STAGING_BYTES = 256 << 10;
/** From here on a read goes straight to where the bytes belong. */
const DIRECT_BYTES = 32 << 10;
/** How much is read ahead of a frame when frames are large: enough for a head. */
const HEAD_READ_BYTES = 4 << 10;
/** So many small frames in a row, and reads fill the whole staging buffer again. */
const SMALL_FRAMES = 4;

const WITHIN_FRAME = "the connection ended within a frame";

/** A frame whose payloads have not been read yet: {@linkcode FrameReader.into} reads them in order. */
export interface IncomingFrame {
  readonly body: Body;
  /** Bytes of the whole frame with its payloads. */
  readonly wireBytes: number;
  /** Bytes of the payloads with their padding. */
  readonly payloadBytes: number;
}

/**
 * Reads frames from a connection. Payloads go from the socket to their destination; what is copied
 * is what came along with a head, and pieces below 32 KiB.
 */
export class FrameReader {
  /** Bytes that came from the connection. */
  bytesRead = 0;
  /** Segment 0 of the last frame. It is valid until the next one is read. */
  segment0: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  limits: Limits;
  readonly #conn: RawConn;
  readonly #staging = new Uint8Array(STAGING_BYTES);
  readonly #cache = new HeadCache();
  #start = 0;
  #end = 0;
  #seq = 0;
  #smallFrames = SMALL_FRAMES;

  constructor(conn: RawConn, limits: Limits) {
    this.#conn = conn;
    this.limits = limits;
  }

  /**
   * The next frame, or null where the connection ended between two frames.
   *
   * @throws {ProtocolError} when the bytes are not a frame that the limits allow.
   * @throws {ConnectionEnded} where the connection ended within a frame.
   */
  async next(): Promise<IncomingFrame | null> {
    if (this.#end - this.#start < 8 && !await this.#fill(8)) {
      if (this.#end !== this.#start) throw new ConnectionEnded(WITHIN_FRAME);
      return null;
    }
    const count = segmentCount(this.#view(8), this.limits);
    const table = tableBytes(count);
    if (this.#end - this.#start < table) await this.#need(table);
    const sizes = segmentSizes(this.#view(table), count, this.limits);
    this.#start += table;
    if (this.#end - this.#start < sizes[0]!) await this.#need(sizes[0]!);
    const view = this.#view(sizes[0]!);
    this.segment0 = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    this.#start += sizes[0]!;
    let payloadBytes = 0;
    let largest = 0;
    for (let i = 1; i < count; i++) {
      payloadBytes += sizes[i]!;
      largest = Math.max(largest, sizes[i]!);
    }
    this.#smallFrames = largest >= DIRECT_BYTES ? 0 : this.#smallFrames + 1;
    const wireBytes = table + sizes[0]! + payloadBytes;
    return { body: this.#body(view, sizes), wireBytes, payloadBytes };
  }

  #body(view: DataView<ArrayBuffer>, sizes: readonly number[]): Body {
    const cached = this.#cache.read(view, sizes);
    if (cached !== undefined) {
      this.#expect(cached.seq);
      return { member: "tensors", head: cached.head, pieces: cached.pieces };
    }
    const decoded = decode(this.segment0, sizes, this.limits);
    this.#expect(decoded.seq);
    if (decoded.body.member === "tensors") this.#cache.remember(view, sizes, decoded.body);
    return decoded.body;
  }

  #expect(seq: number): void {
    demand(seq === this.#seq, `frame ${seq} where frame ${this.#seq} was due`);
    this.#seq++;
  }

  /** Reads the next payload, and the padding after it, into `target`, which is as long as it. */
  async into(target: Uint8Array): Promise<void> {
    let at = Math.min(target.length, this.#end - this.#start);
    if (at > 0) {
      target.set(this.#staging.subarray(this.#start, this.#start + at));
      this.#start += at;
    }
    while (at < target.length) {
      if (target.length >= DIRECT_BYTES) {
        at += await this.#read(at === 0 ? target : target.subarray(at));
      } else {
        await this.#need(1);
        const count = Math.min(target.length - at, this.#end - this.#start);
        target.set(this.#staging.subarray(this.#start, this.#start + count), at);
        this.#start += count;
        at += count;
      }
    }
    await this.#skip(-target.length & 7);
  }

  /** Reads and drops the next `count` bytes of payloads with their padding. */
  async drop(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      const step = Math.min(left, STAGING_BYTES);
      await this.#skip(step);
      left -= step;
    }
  }

  /** Reads and drops everything until the connection ends. */
  async drain(): Promise<void> {
    for (;;) {
      const read = await this.#conn.read(this.#staging);
      if (read === null) return;
      this.bytesRead += read;
    }
  }

  async #skip(count: number): Promise<void> {
    if (this.#end - this.#start < count) await this.#need(count);
    this.#start += count;
  }

  #view(count: number): DataView<ArrayBuffer> {
    return new DataView(this.#staging.buffer, this.#start, count);
  }

  async #need(count: number): Promise<void> {
    if (!await this.#fill(count)) throw new ConnectionEnded(WITHIN_FRAME);
  }

  /** Stages `count` bytes, or returns false at the end of the connection. */
  async #fill(count: number): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#start > 0 && this.#start + Math.max(count, HEAD_READ_BYTES) > STAGING_BYTES) {
      this.#staging.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const most = this.#smallFrames < SMALL_FRAMES
      ? Math.max(this.#start + count, this.#end + HEAD_READ_BYTES)
      : STAGING_BYTES;
    const room = Math.min(most, STAGING_BYTES);
    while (this.#end - this.#start < count) {
      const read = await this.#conn.read(this.#staging.subarray(this.#end, room));
      if (read === null) return false;
      this.#end += read;
      this.bytesRead += read;
    }
    return true;
  }

  async #read(target: Uint8Array): Promise<number> {
    const read = await this.#conn.read(target);
    if (read === null) throw new ConnectionEnded(WITHIN_FRAME);
    this.bytesRead += read;
    return read;
  }
}
