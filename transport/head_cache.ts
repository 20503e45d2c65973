import type { TensorFrame } from "./decode.ts";
import * as wire from "./gen/transport.ts";
import type { TensorHead } from "./message.ts";
import { demand, ProtocolError } from "./protocol_error.ts";

/** A tensor frame that was read through the cache. */
export interface CachedFrame extends TensorFrame {
  readonly seq: number;
}

interface Entry {
  readonly segment0: DataView;
  readonly sizes: readonly number[];
  readonly frame: TensorFrame;
  readonly frameAt: number;
  readonly bodyAt: number;
}

/**
 * Remembers the tensor frames that came last. A frame whose segment 0 differs from one of them only
 * in what {@linkcode TensorTemplate.patch} writes needs no check of its pointers and no decoding.
 */
export class HeadCache {
  readonly #entries: Entry[] = [];
  readonly #most: number;

  constructor(most = 16) {
    this.#most = most;
  }

  /** The frame that these bytes are, or undefined if they must be decoded. `view` is segment 0. */
  read(view: DataView, sizes: readonly number[]): CachedFrame | undefined {
    for (let i = 0; i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (!equalSizes(entry.sizes, sizes) || !equalHeads(entry, view)) continue;
      if (i > 0) {
        this.#entries.splice(i, 1);
        this.#entries.unshift(entry);
      }
      return patched(entry, view);
    }
    return undefined;
  }

  /** Remembers a frame that {@linkcode decode} has read from a copy of these bytes. */
  remember(view: DataView, sizes: readonly number[], frame: TensorFrame): void {
    const frameAt = targetOf(view, 0);
    const pointerAt = frameAt + view.getUint16(4, true) * 8;
    const bodyAt = targetOf(view, pointerAt);
    if (view.getUint16(pointerAt + 4, true) * 8 !== wire.Tensors.layout.dataBytes) return;
    const copy = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
    const entry = {
      segment0: new DataView(copy.buffer),
      sizes: [...sizes],
      frame,
      frameAt,
      bodyAt,
    };
    this.#entries.unshift(entry);
    if (this.#entries.length > this.#most) this.#entries.pop();
  }
}

function equalSizes(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function equalHeads({ segment0, frameAt, bodyAt }: Entry, view: DataView): boolean {
  const seqAt = frameAt + wire.Frame.at.seq;
  const bodyEnd = bodyAt + wire.Tensors.layout.dataBytes;
  for (let at = 0; at < view.byteLength; at += 4) {
    if (at === seqAt) at += 8;
    if (at === bodyAt) at = bodyEnd;
    if (at >= view.byteLength) break;
    if (segment0.getUint32(at, true) !== view.getUint32(at, true)) return false;
  }
  return true;
}

function patched({ frame, frameAt, bodyAt }: Entry, view: DataView): CachedFrame {
  const { at } = wire.Tensors;
  const kind = wire.Kind[view.getUint16(bodyAt + at.kind, true)];
  if (kind === undefined) throw new ProtocolError("unknown kind");
  const head: TensorHead = {
    kind,
    samples: view.getUint32(bodyAt + at.samples, true),
    microBatch: uint64(view, bodyAt + at.microBatch),
    step: uint64(view, bodyAt + at.step),
    weightVersion: uint64(view, bodyAt + at.weightVersion),
    tensors: frame.head.tensors,
  };
  return { seq: uint64(view, frameAt + wire.Frame.at.seq), head, pieces: frame.pieces };
}

function uint64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
  demand(Number.isSafeInteger(value), "a number beyond 2^53");
  return value;
}

function targetOf(view: DataView, at: number): number {
  return at + 8 + (view.getInt32(at, true) >> 2) * 8;
}
