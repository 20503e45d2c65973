import type { TensorFrame } from "./decode.ts";
import * as wire from "./gen/transport.ts";
import type { TensorHead } from "./message.ts";
import { ProtocolError } from "./protocol_error.ts";

/** How large a frame is. */
export interface FrameSize {
  /** Bytes of the whole frame with its payloads. */
  readonly wireBytes: number;
  /** Bytes of the payloads with their padding. */
  readonly payloadBytes: number;
  /** Bytes of the largest payload. */
  readonly largestBytes: number;
}

/** A tensor frame that was read through the cache. */
export interface KnownFrame {
  readonly seq: number;
  readonly size: FrameSize;
  readonly frame: TensorFrame;
}

interface Entry {
  /** The segment table and segment 0. */
  readonly head: DataView;
  readonly size: FrameSize;
  readonly frame: TensorFrame;
  readonly seqAt: number;
  readonly bodyAt: number;
}

/**
 * Remembers the tensor frames that came last. A frame whose head differs from one of them only in
 * what {@linkcode TensorTemplate.patch} writes needs no check of its pointers and no decoding.
 */
export class HeadCache {
  readonly #entries: Entry[] = [];
  readonly #most: number;

  constructor(most = 16) {
    this.#most = most;
  }

  /** The frame whose head is at `at` of `view`, or undefined if it must be decoded. */
  read(view: DataView, at: number, headBytes: number): KnownFrame | undefined {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.head.byteLength !== headBytes || !equalHeads(entry, view, at)) continue;
      if (i > 0) {
        this.#entries.splice(i, 1);
        this.#entries.unshift(entry);
      }
      return patched(entry, view, at);
    }
    return undefined;
  }

  /**
   * Remembers a frame that {@linkcode decode} has read. `head` is its segment table and segment 0,
   * which begins at `table`.
   */
  remember(head: Uint8Array, table: number, frame: TensorFrame, size: FrameSize): void {
    const view = new DataView(head.slice().buffer);
    const frameAt = targetOf(view, table);
    const pointerAt = frameAt + view.getUint16(table + 4, true) * 8;
    if (view.getUint16(pointerAt + 4, true) * 8 !== wire.Tensors.layout.dataBytes) return;
    const seqAt = frameAt + wire.Frame.at.seq;
    this.#entries.unshift({ head: view, size, frame, seqAt, bodyAt: targetOf(view, pointerAt) });
    if (this.#entries.length > this.#most) this.#entries.pop();
  }
}

function equalHeads({ head, seqAt, bodyAt }: Entry, view: DataView, start: number): boolean {
  const bodyEnd = bodyAt + wire.Tensors.layout.dataBytes;
  for (let at = 0; at < head.byteLength; at += 4) {
    if (at === seqAt) at += 8;
    if (at === bodyAt) at = bodyEnd;
    if (at >= head.byteLength) break;
    if (head.getUint32(at, true) !== view.getUint32(start + at, true)) return false;
  }
  return true;
}

function patched({ frame, size, seqAt, bodyAt }: Entry, view: DataView, start: number): KnownFrame {
  const { at } = wire.Tensors;
  const body = start + bodyAt;
  const kind = wire.Kind[view.getUint16(body + at.kind, true)];
  if (kind === undefined) throw new ProtocolError("unknown kind");
  const head: TensorHead = {
    kind,
    samples: view.getUint32(body + at.samples, true),
    microBatch: uint64(view, body + at.microBatch),
    step: uint64(view, body + at.step),
    weightVersion: uint64(view, body + at.weightVersion),
    tensors: frame.head.tensors,
  };
  const { pieces, isWhole } = frame;
  return { seq: uint64(view, start + seqAt), size, frame: { head, pieces, isWhole } };
}

function uint64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
  if (value > Number.MAX_SAFE_INTEGER) throw new ProtocolError("a number beyond 2^53");
  return value;
}

function targetOf(view: DataView, at: number): number {
  return at + 8 + (view.getInt32(at, true) >> 2) * 8;
}
