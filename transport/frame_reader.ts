import { type Body, decode } from "./decode.ts";
import { segment0Bytes, segmentCount, segmentSizes, tableBytes } from "./guard.ts";
import { type FrameSize, HeadCache } from "./head_cache.ts";
import type { Limits } from "./limits.ts";
import { ProtocolError } from "./protocol_error.ts";
import { ConnectionEnded, type RawConn } from "./raw_conn.ts";

/** Small frames are read so many bytes at once. */
const STAGING_BYTES = 256 << 10;
/** From here on a read goes straight to where the bytes belong. */
const DIRECT_BYTES = 32 << 10;
/** How much is read ahead of a frame when frames are large: enough for a head. */
const HEAD_READ_BYTES = 4 << 10;
/** So many small frames in a row, and reads fill the whole staging buffer again. */
const SMALL_FRAMES = 4;

const WITHIN_FRAME = "the connection ended within a frame";

/**
 * A frame whose payloads have not been read yet: {@linkcode FrameReader.into} reads them in order.
 */
export interface IncomingFrame {
  readonly body: Body;
  readonly size: FrameSize;
}

/**
 * Reads frames from a connection. Payloads go from the socket to their destination; what is copied
 * is what came along with a head, up to 4 KiB, and pieces below 32 KiB.
 */
export class FrameReader {
  /** Bytes that came from the connection. */
  bytesRead = 0;
  /** Segment 0 of the last frame that was not one of the usual tensor frames. */
  segment0: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  limits: Limits;
  readonly #conn: RawConn;
  readonly #staging: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #cache = new HeadCache();
  #start = 0;
  #end = 0;
  #seq = 0;
  #smallFrames = SMALL_FRAMES;

  /** `stagingBytes` holds the largest head that the limits allow, and more to read many at once. */
  constructor(conn: RawConn, limits: Limits, stagingBytes = STAGING_BYTES) {
    this.#conn = conn;
    this.limits = limits;
    this.#staging = new Uint8Array(stagingBytes);
    this.#view = new DataView(this.#staging.buffer);
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
    const table = tableBytes(segmentCount(this.#view, this.#start, this.limits));
    const headBytes = table + segment0Bytes(this.#view, this.#start, this.limits);
    if (this.#end - this.#start < headBytes) await this.#need(headBytes);
    const at = this.#start;
    this.#start += headBytes;
    const known = this.#cache.read(this.#view, at, headBytes);
    if (known === undefined) return this.#decode(at, table, headBytes);
    const { seq, size, frame } = known;
    this.#arrived(seq, size);
    return { body: { member: "tensors", tensors: frame }, size };
  }

  #decode(at: number, table: number, headBytes: number): IncomingFrame {
    const sizes = segmentSizes(this.#view, at, this.limits);
    this.segment0 = this.#staging.slice(at + table, at + headBytes);
    const { seq, body } = decode(this.segment0, sizes, this.limits);
    const payloads = sizes.slice(1);
    const payloadBytes = payloads.reduce((sum, bytes) => sum + bytes, 0);
    const wireBytes = headBytes + payloadBytes;
    const size = { wireBytes, payloadBytes, largestBytes: Math.max(0, ...payloads) };
    if (body.member === "tensors") {
      const head = this.#staging.subarray(at, at + headBytes);
      this.#cache.remember(head, table, body.tensors, size);
    }
    this.#arrived(seq, size);
    return { body, size };
  }

  #arrived(seq: number, { largestBytes }: FrameSize): void {
    if (seq !== this.#seq) {
      throw new ProtocolError(`frame ${seq} where frame ${this.#seq} was due`);
    }
    this.#seq++;
    this.#smallFrames = largestBytes >= DIRECT_BYTES ? 0 : this.#smallFrames + 1;
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
        const read = await this.#conn.read(at === 0 ? target : target.subarray(at));
        if (read === null) throw new ConnectionEnded(WITHIN_FRAME);
        this.bytesRead += read;
        at += read;
      } else {
        await this.#need(1);
        const count = Math.min(target.length - at, this.#end - this.#start);
        target.set(this.#staging.subarray(this.#start, this.#start + count), at);
        this.#start += count;
        at += count;
      }
    }
    const padding = -target.length & 7;
    if (padding > 0) await this.#skip(padding);
  }

  /** Reads and drops the next `count` bytes of payloads with their padding. */
  async drop(count: number): Promise<void> {
    for (let left = count; left > 0;) {
      const step = Math.min(left, this.#staging.length);
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

  async #need(count: number): Promise<void> {
    if (!await this.#fill(count)) throw new ConnectionEnded(WITHIN_FRAME);
  }

  /** Stages `count` bytes, or returns false at the end of the connection. */
  async #fill(count: number): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#start > 0 && this.#start + Math.max(count, HEAD_READ_BYTES) > this.#staging.length) {
      this.#staging.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const most = this.#smallFrames < SMALL_FRAMES
      ? Math.max(this.#start + count, this.#end + HEAD_READ_BYTES)
      : this.#staging.length;
    const room = Math.min(most, this.#staging.length);
    while (this.#end - this.#start < count) {
      const read = await this.#conn.read(this.#staging.subarray(this.#end, room));
      if (read === null) return false;
      this.#end += read;
      this.bytesRead += read;
    }
    return true;
  }
}
