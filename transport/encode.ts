/** Frames into bytes. The bytes of tensors are not touched: see {@linkcode TensorTemplate}. */
import { Message } from "capnp-ts";
import * as wire from "./gen/transport.ts";
import { tableBytes } from "./guard.ts";
import type { Control } from "./message.ts";

/** The bytes of a message up to its payloads: the segment table and segment 0. */
export function headOf(message: Message, payloads: readonly number[]): Uint8Array<ArrayBuffer> {
  const segment = message.getSegment(0);
  const start = tableBytes(1 + payloads.length);
  const head = new Uint8Array(start + segment.byteLength);
  const view = new DataView(head.buffer);
  view.setUint32(0, payloads.length, true);
  view.setUint32(4, segment.byteLength / 8, true);
  for (const [i, byteLength] of payloads.entries()) {
    view.setUint32(8 + 4 * i, Math.ceil(byteLength / 8), true);
  }
  head.set(new Uint8Array(segment.buffer, 0, segment.byteLength), start);
  return head;
}

/** A frame without payloads. `fill` sets its member. */
export function encode(seq: number, fill: (frame: wire.Frame) => void): Uint8Array<ArrayBuffer> {
  const message = new Message();
  const frame = message.initRoot(wire.Frame);
  frame.seq = BigInt(seq);
  fill(frame);
  return headOf(message, []);
}

/** Sets the member of a frame to a control message. */
export function fillControl(frame: wire.Frame, control: Control): void {
  const body = frame.initControl();
  body.kind = wire.ControlKind.indexOf(control.kind);
  body.step = BigInt(control.step);
  body.epoch = BigInt(control.epoch);
  const values = body.initValues(control.values.length);
  control.values.forEach((value, i) => values.set(i, value));
  body.text = control.text;
}
