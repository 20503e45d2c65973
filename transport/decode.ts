/** Checked bytes into values. */
import { Message, Pointer, Struct } from "capnp-ts";
import { byteCount } from "../core/onnx/tensor.ts";
import * as wire from "./gen/transport.ts";
import { Guard, type Payload } from "./guard.ts";
import type { Limits } from "./limits.ts";
import type { Control, TensorHead, TensorInfo } from "./message.ts";
import { demand, ProtocolError } from "./protocol_error.ts";
import type { Piece } from "./tensor_template.ts";

/** A tensor frame without the bytes of its tensors, which follow it. */
export interface TensorFrame {
  readonly head: TensorHead;
  /** What of each tensor the frame carries, in the order of `head.tensors`. */
  readonly pieces: readonly Piece[];
  /** True if every piece is all of its tensor, so that the frame is a message of its own. */
  readonly isWhole: boolean;
}

/** What the frames after the handshake say. */
export type Body =
  | { readonly member: "tensors"; readonly tensors: TensorFrame }
  | { readonly member: "control"; readonly control: Control }
  | { readonly member: "credit"; readonly bytes: number }
  | { readonly member: "ping" | "pong"; readonly token: bigint }
  | { readonly member: "failure"; readonly code: FailureCode; readonly message: string }
  | { readonly member: "bye"; readonly reason: string }
  | { readonly member: "hello"; readonly hello: wire.Hello }
  | { readonly member: "challenge"; readonly challenge: wire.Challenge }
  | { readonly member: "auth"; readonly mac: MacField }
  | { readonly member: "welcome"; readonly welcome: wire.Welcome };

/** What went wrong at the peer. */
export type FailureCode = typeof wire.FailureCode[number];

/** A struct with a `mac` field. */
export type MacField = wire.Challenge | wire.Auth | wire.Welcome;

/** A frame up to its payloads. */
export interface Decoded {
  readonly seq: number;
  readonly body: Body;
}

/**
 * Decodes segment 0 of a frame whose segments have these sizes.
 *
 * @throws {ProtocolError} when it is not a frame that this protocol allows.
 */
export function decode(
  segment0: Uint8Array<ArrayBuffer>,
  sizes: readonly number[],
  limits: Limits,
): Decoded {
  const view = new DataView(segment0.buffer, segment0.byteOffset, segment0.byteLength);
  const guard = new Guard(view, sizes, limits);
  guard.root(wire.Frame.layout);
  // capnp-ts writes into messages that it reads, so it gets a copy.
  const message = new Message(segment0.slice().buffer, false, true);
  message._capnp.traversalLimit = 8 * limits.head_bytes;
  const frame = message.getRoot(wire.Frame);
  const decoded = { seq: exact(frame.seq), body: bodyOf(frame, guard.payloads, limits) };
  const { segments } = message._capnp;
  demand(
    segments.length === 1 && segments[0]!.buffer.byteLength === segment0.byteLength,
    "a frame that cannot be read without changing it",
  );
  return decoded;
}

function bodyOf(frame: wire.Frame, payloads: readonly Payload[], limits: Limits): Body {
  const member = wire.Frame.members[frame.which()];
  demand(member !== undefined, "a frame without a member");
  demand(member === "tensors" || payloads.length === 0, `a ${member} frame with segments`);
  switch (member) {
    case "tensors":
      return { member, tensors: tensorsOf(frame.tensors, payloads, limits) };
    case "control":
      return { member, control: controlOf(frame.control) };
    case "credit":
      return { member, bytes: exact(frame.credit.bytes) };
    case "ping":
    case "pong":
      return { member, token: frame.ping.token };
    case "failure":
      return {
        member,
        code: nameOf(wire.FailureCode, frame.failure.code, "failure"),
        message: frame.failure.message,
      };
    case "bye":
      return { member, reason: frame.bye.reason };
    case "hello":
      return { member, hello: frame.hello };
    case "challenge":
      return { member, challenge: frame.challenge };
    case "auth":
      return { member, mac: frame.auth };
    case "welcome":
      return { member, welcome: frame.welcome };
  }
}

function tensorsOf(
  body: wire.Tensors,
  payloads: readonly Payload[],
  limits: Limits,
): TensorFrame {
  const tensors: TensorInfo[] = [];
  const pieces: Piece[] = [];
  let isWhole = true;
  const lengths = new Map(payloads.map(({ pointerAt, byteLength }) => [pointerAt, byteLength]));
  const list = isNull(body, wire.Tensors.pointer.tensors) ? [] : body.tensors.toArray();
  for (const tensor of list) {
    const info = tensorOf(tensor, limits);
    const data = Struct.getPointer(wire.Tensor.pointer.data, tensor);
    const byteLength = lengths.get(data.byteOffset) ?? 0;
    demand(byteLength > 0 || Pointer.isNull(data), `tensor ${info.name}: bytes in segment 0`);
    const offset = exact(tensor.offset);
    const total = exact(tensor.total);
    demand(offset + byteLength <= total, `tensor ${info.name}: more bytes than its total`);
    demand(
      byteCount(info.dtype, info.dims) === total,
      `tensor ${info.name}: ${total} bytes for [${info.dims}] of ${info.dtype}`,
    );
    tensors.push(info);
    pieces.push({ offset, byteLength });
    isWhole &&= byteLength === total;
  }
  const head: TensorHead = {
    kind: nameOf(wire.Kind, body.kind, "kind"),
    microBatch: exact(body.microBatch),
    step: exact(body.step),
    weightVersion: exact(body.weightVersion),
    samples: body.samples,
    tensors,
  };
  return { head, pieces, isWhole };
}

function tensorOf(tensor: wire.Tensor, limits: Limits): TensorInfo {
  const { name } = tensor;
  demand(nameOf(wire.Codec, tensor.codec, "codec") === "raw", `tensor ${name}: it is compressed`);
  const dims = isNull(tensor, wire.Tensor.pointer.dims) ? [] : tensor.dims.toArray();
  demand(dims.length <= limits.rank, `tensor ${name}: rank ${dims.length}`);
  return { name, dtype: nameOf(wire.DType, tensor.dtype, "dtype"), dims };
}

function controlOf(body: wire.Control): Control {
  return {
    kind: nameOf(wire.ControlKind, body.kind, "control kind"),
    step: exact(body.step),
    epoch: exact(body.epoch),
    values: isNull(body, wire.Control.pointer.values) ? [] : body.values.toArray(),
    text: body.text,
  };
}

/** capnp-ts allocates when it reads a null list, so nothing else may ask for one. */
export function isNull(struct: Struct, pointer: number): boolean {
  return Pointer.isNull(Struct.getPointer(pointer, struct));
}

/** The name of an enumerant. */
export function nameOf<T extends string>(names: readonly T[], index: number, what: string): T {
  const name = names[index];
  if (name === undefined) throw new ProtocolError(`unknown ${what} ${index}`);
  return name;
}

/** A 64-bit number that JavaScript can hold. */
export function exact(value: bigint): number {
  demand(value <= BigInt(Number.MAX_SAFE_INTEGER), `a number of ${value}`);
  return Number(value);
}
