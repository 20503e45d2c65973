import { Message, Struct } from "capnp-ts";
import { byteCount } from "../core/onnx/tensor.ts";
import { headOf } from "./encode.ts";
import * as wire from "./gen/transport.ts";
import { tableBytes } from "./guard.ts";
import type { TensorHead, TensorInfo } from "./message.ts";

/** A part of a tensor's bytes. */
export interface Piece {
  readonly offset: number;
  readonly byteLength: number;
}

/**
 * The head of a tensor frame, made once for tensors of the same names, types and shapes. What
 * differs between frames is patched: encoding with capnp-ts costs 10–15 µs, patching a tenth of
 * one.
 */
export class TensorTemplate {
  readonly tensors: readonly TensorInfo[];
  /** What of each tensor goes into this frame, in the order of `tensors`. */
  readonly pieces: readonly Piece[];
  /** Bytes of the whole frame. */
  readonly wireBytes: number;
  readonly #head: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #frameAt: number;
  readonly #bodyAt: number;

  /** Without `pieces`, the frame carries all of each tensor. */
  constructor(tensors: readonly TensorInfo[], pieces?: readonly Piece[]) {
    this.tensors = tensors.map(({ name, dtype, dims }) => ({ name, dtype, dims: [...dims] }));
    this.pieces = pieces ??
      tensors.map(({ dtype, dims }) => ({ offset: 0, byteLength: byteCount(dtype, dims) }));
    const message = new Message();
    const frame = message.initRoot(wire.Frame);
    const list = frame.initTensors().initTensors(tensors.length);
    const payloads: number[] = [];
    for (const [i, info] of tensors.entries()) {
      const piece = this.pieces[i]!;
      const tensor = list.get(i);
      fillTensor(tensor, info, piece.offset);
      if (piece.byteLength === 0) continue;
      payloads.push(piece.byteLength);
      pointToSegment(tensor, payloads.length, piece.byteLength);
    }
    this.#head = headOf(message, payloads);
    this.#view = new DataView(this.#head.buffer);
    const start = tableBytes(1 + payloads.length);
    this.#frameAt = targetOf(this.#view, start);
    this.#bodyAt = targetOf(this.#view, this.#frameAt + wire.Frame.layout.dataBytes);
    this.wireBytes = payloads.reduce((sum, n) => sum + Math.ceil(n / 8) * 8, this.#head.length);
  }

  /** Bytes of the frame before its payloads. */
  get headBytes(): number {
    return this.#head.length;
  }

  /** True if tensors of these names, types and shapes have this template. */
  fits(tensors: readonly TensorInfo[]): boolean {
    if (tensors.length !== this.tensors.length) return false;
    for (let i = 0; i < tensors.length; i++) {
      const a = tensors[i]!;
      const b = this.tensors[i]!;
      if (a.name !== b.name || a.dtype !== b.dtype || a.dims.length !== b.dims.length) return false;
      for (let j = 0; j < a.dims.length; j++) if (a.dims[j] !== b.dims[j]) return false;
    }
    return true;
  }

  /** The bytes that go before the payloads. They are valid until the next call. */
  patch(seq: number, head: TensorHead): Uint8Array<ArrayBuffer> {
    const view = this.#view;
    const { at } = wire.Tensors;
    setUint64(view, this.#frameAt + wire.Frame.at.seq, seq);
    view.setUint16(this.#bodyAt + at.kind, wire.Kind.indexOf(head.kind), true);
    view.setUint32(this.#bodyAt + at.samples, head.samples, true);
    setUint64(view, this.#bodyAt + at.microBatch, head.microBatch);
    setUint64(view, this.#bodyAt + at.step, head.step);
    setUint64(view, this.#bodyAt + at.weightVersion, head.weightVersion);
    return this.#head;
  }
}

function fillTensor(tensor: wire.Tensor, info: TensorInfo, offset: number): void {
  const names: readonly string[] = wire.DType;
  tensor.name = info.name;
  tensor.dtype = names.indexOf(info.dtype);
  tensor.offset = BigInt(offset);
  tensor.total = BigInt(byteCount(info.dtype, info.dims));
  const dims = tensor.initDims(info.dims.length);
  info.dims.forEach((dim, i) => dims.set(i, dim));
}

/**
 * Makes `tensor.data` point to the whole of a segment that the library never sees: a double-far
 * pointer to a landing pad in segment 0, which names the segment (a far pointer to its start) and
 * what is there (a list of bytes). Source: https://capnproto.org/encoding.html, "Inter-Segment
 * Pointers".
 */
function pointToSegment(tensor: wire.Tensor, segment: number, byteLength: number): void {
  const pad = tensor.segment.allocate(16);
  const pointer = Struct.getPointer(wire.Tensor.pointer.data, tensor);
  pointer.segment.setUint32(pointer.byteOffset, pad.byteOffset | 0b110);
  pointer.segment.setUint32(pointer.byteOffset + 4, 0);
  pad.segment.setUint32(pad.byteOffset, 0b010);
  pad.segment.setUint32(pad.byteOffset + 4, segment);
  pad.segment.setUint32(pad.byteOffset + 8, 0b001);
  pad.segment.setUint32(pad.byteOffset + 12, (byteLength * 8 + 2) >>> 0);
}

/** Where a struct is whose pointer, one within its segment, is at `at`. */
function targetOf(view: DataView, at: number): number {
  return at + 8 + (view.getInt32(at, true) >> 2) * 8;
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
