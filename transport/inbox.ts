import { RavnError } from "../core/error.ts";
import { byteCount } from "../core/onnx/tensor.ts";
import type { TensorFrame } from "./decode.ts";
import type { FrameReader, IncomingFrame } from "./frame_reader.ts";
import type { Receiver } from "./link.ts";
import type { TensorHead, TensorInfo } from "./message.ts";
import { demand, ProtocolError } from "./protocol_error.ts";

/** A message whose frames are arriving. */
interface Arriving {
  readonly head: TensorHead;
  readonly destinations: readonly Uint8Array[];
  /** Bytes of each tensor that are in place, where one frame does not bring them all. */
  readonly received: number[] | undefined;
}

/** The receiving half of a link for tensors: their places, their pieces, and the peer's credit. */
export class Inbox {
  framesReceived = 0;
  readonly #reader: FrameReader;
  readonly #grant: (bytes: number) => void;
  readonly #window: number;
  #credit: number;
  #taken = 0;
  #arriving: Arriving | undefined;

  /** `credit` is what the peer may send before `grant` allows more. */
  constructor(o: { reader: FrameReader; credit: number; grant: (bytes: number) => void }) {
    this.#reader = o.reader;
    this.#grant = o.grant;
    this.#window = this.#credit = o.credit;
  }

  /**
   * Finds a place for what a frame carries, by asking the receiver where a message begins.
   *
   * @throws {ProtocolError} when the peer sends more than its credit, or pieces out of order.
   * @throws {RavnError} when the receiver refuses the message.
   */
  open(frame: IncomingFrame, body: TensorFrame, receiver: Receiver): void {
    this.#charge(frame);
    if (this.#arriving !== undefined) return checkContinuation(this.#arriving, body);
    const { head, pieces, isWhole } = body;
    if (!isWhole) {
      demand(pieces.every(({ offset }) => offset === 0), "a message that begins in its middle");
    }
    const destinations = receiver.place(head);
    checkPlaces(head, destinations);
    const received = isWhole ? undefined : pieces.map(() => 0);
    this.#arriving = { head, destinations, received };
  }

  /** Reads what an opened frame carries; returns the head of the message if that completes it. */
  async read(frame: IncomingFrame, { pieces }: TensorFrame): Promise<TensorHead | undefined> {
    const { head, destinations, received } = this.#arriving!;
    let isComplete = true;
    for (let i = 0; i < destinations.length; i++) {
      const { offset, byteLength } = pieces[i]!;
      const place = destinations[i]!;
      const isWhole = byteLength === place.byteLength;
      if (byteLength > 0) {
        await this.#reader.into(isWhole ? place : place.subarray(offset, offset + byteLength));
      }
      if (received === undefined) continue;
      received[i] = offset + byteLength;
      if (received[i] !== place.byteLength) isComplete = false;
    }
    this.#release(frame.size.wireBytes);
    this.framesReceived++;
    if (!isComplete) return undefined;
    this.#arriving = undefined;
    return head;
  }

  /** Reads past the payloads of a frame. `charged` if {@linkcode Inbox.open} was called with it. */
  async drop(frame: IncomingFrame, charged: boolean): Promise<void> {
    if (!charged) this.#charge(frame);
    await this.#reader.drop(frame.size.payloadBytes);
    this.#release(frame.size.wireBytes);
  }

  #charge({ size: { wireBytes } }: IncomingFrame): void {
    if (wireBytes > this.#credit) {
      throw new ProtocolError(`a frame of ${wireBytes} bytes beyond its credit`);
    }
    this.#credit -= wireBytes;
  }

  /** Gives credit back in portions, so that few frames carry it and the peer never runs dry. */
  #release(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken * 4 < this.#window) return;
    this.#credit += this.#taken;
    this.#grant(this.#taken);
    this.#taken = 0;
  }
}

/** A further frame of a message has its fields, and goes on where the last one ended. */
function checkContinuation({ head, received }: Arriving, frame: TensorFrame): void {
  demand(equalHeads(head, frame.head), "a message within another one");
  demand(
    frame.pieces.every(({ offset }, i) => offset === received?.[i]) &&
      frame.pieces.some(({ byteLength }) => byteLength > 0),
    "pieces of a message out of order",
  );
}

function checkPlaces(head: TensorHead, places: readonly Uint8Array[]): void {
  const { tensors } = head;
  if (places.length !== tensors.length) {
    throw new RavnError(`${places.length} places for ${tensors.length} ${head.kind} tensors`);
  }
  for (let i = 0; i < places.length; i++) {
    const { name, dtype, dims } = tensors[i]!;
    if (places[i]!.byteLength === byteCount(dtype, dims)) continue;
    const place = `a place of ${places[i]!.byteLength} bytes`;
    throw new RavnError(`${place} for ${head.kind} tensor ${name} of ${dtype} [${dims}]`);
  }
}

function equalHeads(a: TensorHead, b: TensorHead): boolean {
  const equalInfos = (x: TensorInfo, y: TensorInfo) =>
    x.name === y.name && x.dtype === y.dtype && x.dims.length === y.dims.length &&
    x.dims.every((dim, i) => dim === y.dims[i]);
  return a.kind === b.kind && a.microBatch === b.microBatch && a.step === b.step &&
    a.weightVersion === b.weightVersion && a.samples === b.samples &&
    a.tensors.length === b.tensors.length &&
    a.tensors.every((info, i) => equalInfos(info, b.tensors[i]!));
}
