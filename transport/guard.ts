/**
 * Checks a frame before anything is allocated for it and before capnp-ts follows a pointer of it.
 * Unchecked, a message of 64 bytes can keep the library busy for seconds and cost gigabytes.
 *
 * Source: https://capnproto.org/encoding.html, which every bit position below is from.
 */
import type { PointerLayout, StructLayout } from "./layout.ts";
import type { Limits } from "./limits.ts";
import { demand, ProtocolError } from "./protocol_error.ts";

/** Bytes of the segment table of a message of `count` segments: 32-bit words, padded to 64 bits. */
export function tableBytes(count: number): number {
  return (4 + 4 * count + 7) & ~7;
}

/** The number of segments of the message that begins at `at`. */
export function segmentCount(view: DataView, at: number, limits: Limits): number {
  const count = view.getUint32(at, true) + 1;
  if (count > limits.tensors + 1) throw new ProtocolError(`a frame of ${count} segments`);
  return count;
}

/** Bytes of segment 0, which stand in the first word, too. */
export function segment0Bytes(view: DataView, at: number, limits: Limits): number {
  const bytes = view.getUint32(at + 4, true) * 8;
  if (bytes < 8 || bytes > limits.head_bytes) {
    throw new ProtocolError(`segment 0 of ${bytes} bytes`);
  }
  return bytes;
}

/** The sizes of all segments in bytes, from the segment table at `at`. */
export function segmentSizes(view: DataView, at: number, limits: Limits): number[] {
  const count = segmentCount(view, at, limits);
  const sizes = [segment0Bytes(view, at, limits)];
  let total = sizes[0]!;
  for (let i = 1; i < count; i++) {
    const bytes = view.getUint32(at + 4 + 4 * i, true) * 8;
    if (bytes < 8 || bytes > limits.segment_bytes) {
      throw new ProtocolError(`segment ${i} of ${bytes} bytes`);
    }
    sizes.push(bytes);
    total += bytes;
  }
  if (total > limits.frame_bytes) throw new ProtocolError(`a frame of ${total} bytes`);
  return sizes;
}

/** A `Data` whose bytes are a segment of their own, which segment 0 only points to. */
export interface Payload {
  /** Byte offset in segment 0 of the pointer to it. */
  readonly pointerAt: number;
  readonly segment: number;
  /** Without the padding. */
  readonly byteLength: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Walks a message along a {@linkcode StructLayout} and throws at the first thing that is not so.
 */
export class Guard {
  /** The payloads in the order in which they were met, which is that of their segments. */
  readonly payloads: Payload[] = [];
  readonly #view: DataView;
  readonly #sizes: readonly number[];
  readonly #limits: Limits;

  /** `view` is over segment 0; `sizes` are those of all segments. */
  constructor(view: DataView, sizes: readonly number[], limits: Limits) {
    this.#view = view;
    this.#sizes = sizes;
    this.#limits = limits;
  }

  /** Checks the whole message. @throws {ProtocolError} */
  root(layout: StructLayout): void {
    this.#pointer(0, layout);
    const unused = this.#sizes.length - 1 - this.payloads.length;
    demand(unused === 0, `${unused} segments that nothing points to`);
  }

  /** A pointer to a struct in segment 0; returns where the struct is. */
  #pointer(at: number, layout: StructLayout): number {
    const word = this.#view.getUint32(at, true);
    demand((word & 3) === 0, `${layout.name}: not a struct pointer`);
    const dataBytes = this.#view.getUint16(at + 4, true) * 8;
    const pointers = this.#view.getUint16(at + 6, true);
    const target = at + 8 + ((word | 0) >> 2) * 8;
    this.#inside(target, dataBytes + pointers * 8, layout.name);
    demand(target >= 8, `${layout.name}: points to the root`);
    this.#struct(target, dataBytes, pointers, layout);
    return target;
  }

  #struct(at: number, dataBytes: number, pointers: number, layout: StructLayout): void {
    demand(
      dataBytes >= layout.dataBytes && pointers >= layout.pointers.length,
      `${layout.name}: smaller than the schema says`,
    );
    for (const [i, pointer] of layout.pointers.entries()) {
      const pointerAt = at + dataBytes + i * 8;
      if (pointer.kind === "union") this.#union(at, pointerAt, layout);
      else this.#target(pointerAt, pointer, layout.name);
    }
  }

  #union(at: number, pointerAt: number, layout: StructLayout): void {
    const { union } = layout;
    if (union === undefined) return;
    const which = this.#view.getUint16(at + union.at, true);
    const member = union.members[which];
    demand(member !== undefined, `${layout.name}: unknown member ${which}`);
    this.#pointer(pointerAt, member);
  }

  #target(at: number, pointer: Exclude<PointerLayout, { kind: "union" }>, name: string): void {
    if (this.#isNull(at)) return;
    const { kind } = pointer;
    if (kind === "text") this.#text(at, name);
    else if (kind === "data") this.#data(at, name);
    else if (kind === "numbers") this.#list(at, pointer.elementBytes, this.#limits.values, name);
    else this.#structs(at, pointer.of, name);
  }

  #isNull(at: number): boolean {
    return this.#view.getUint32(at, true) === 0 && this.#view.getUint32(at + 4, true) === 0;
  }

  /** A list of numbers in segment 0; returns where it is and how many. */
  #list(at: number, elementBytes: number, most: number, name: string): [number, number] {
    const word = this.#view.getUint32(at, true);
    const tail = this.#view.getUint32(at + 4, true);
    demand((word & 3) === 1, `${name}: not a list pointer`);
    // Element sizes on the wire: 2 = 1 byte, 3 = 2 bytes, 4 = 4 bytes, 5 = 8 bytes.
    const code = 2 + Math.log2(elementBytes);
    demand((tail & 7) === code, `${name}: a list of other elements`);
    const count = tail >>> 3;
    demand(count <= most, `${name}: a list of ${count} elements`);
    const target = at + 8 + ((word | 0) >> 2) * 8;
    this.#inside(target, count * elementBytes, name);
    return [target, count];
  }

  #text(at: number, name: string): void {
    const [target, count] = this.#list(at, 1, this.#limits.text_bytes + 1, name);
    demand(
      count > 0 && this.#view.getUint8(target + count - 1) === 0,
      `${name}: unterminated text`,
    );
    try {
      utf8.decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + target, count - 1));
    } catch {
      demand(false, `${name}: text that is not UTF-8`);
    }
  }

  /** Bytes either in segment 0, or, behind a double-far pointer, a whole segment of their own. */
  #data(at: number, name: string): void {
    const word = this.#view.getUint32(at, true);
    if ((word & 3) !== 2) {
      this.#list(at, 1, this.#limits.text_bytes, name);
      return;
    }
    demand((word & 4) !== 0 && this.#view.getUint32(at + 4, true) === 0, `${name}: a far pointer`);
    const pad = (word >>> 3) * 8;
    this.#inside(pad, 16, name);
    const segment = this.#view.getUint32(pad + 4, true);
    demand(this.#view.getUint32(pad, true) === 2, `${name}: a bad landing pad`);
    demand(segment === this.payloads.length + 1, `${name}: segment ${segment} out of order`);
    const tail = this.#view.getUint32(pad + 12, true);
    demand(this.#view.getUint32(pad + 8, true) === 1 && (tail & 7) === 2, `${name}: not bytes`);
    const byteLength = tail >>> 3;
    const size = this.#sizes[segment] ?? 0;
    demand(
      byteLength > 0 && size - byteLength >= 0 && size - byteLength < 8,
      `${name}: its length`,
    );
    this.payloads.push({ pointerAt: at, segment, byteLength });
  }

  #structs(at: number, layout: StructLayout, name: string): void {
    const word = this.#view.getUint32(at, true);
    const tail = this.#view.getUint32(at + 4, true);
    demand((word & 3) === 1 && (tail & 7) === 7, `${name}: not a list of structs`);
    const tag = at + 8 + ((word | 0) >> 2) * 8;
    const words = tail >>> 3;
    this.#inside(tag, 8 + words * 8, name);
    const shape = this.#view.getUint32(tag, true);
    const count = shape >>> 2;
    demand((shape & 3) === 0 && count <= this.#limits.tensors, `${name}: a list of ${count}`);
    const dataBytes = this.#view.getUint16(tag + 4, true) * 8;
    const pointers = this.#view.getUint16(tag + 6, true);
    const stride = dataBytes + pointers * 8;
    demand(count * stride <= words * 8, `${name}: a list longer than its words`);
    for (let i = 0; i < count; i++) {
      this.#struct(tag + 8 + i * stride, dataBytes, pointers, layout);
    }
  }

  #inside(at: number, byteLength: number, name: string): void {
    const inside = at >= 0 && at + byteLength <= this.#view.byteLength;
    demand(inside, `${name}: points outside of its segment`);
  }
}
