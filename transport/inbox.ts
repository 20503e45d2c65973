import { RavnError } from "../core/error.ts";
import { byteCount } from "../core/onnx/tensor.ts";
import type { TensorFrame } from "./decode.ts";
import type { FrameReader, IncomingFrame } from "./frame_reader.ts";
import type { Receiver } from "./link.ts";
import type { TensorHead } from "./message.ts";
import { demand } from "./protocol_error.ts";

/** A message whose frames are arriving. */
interface Arriving {
  readonly head: TensorHead;
  readonly destinations: readonly Uint8Array[];
  /** Bytes of each tensor that are in place. */
  readonly received: number[];
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
    const { head, pieces } = body;
    if (this.#arriving === undefined) {
      demand(pieces.every(({ offset }) => offset === 0), "a message that begins in its middle");
      const destinations = receiver.place(head);
      checkPlaces(head, destinations);
      this.#arriving = { head, destinations, received: pieces.map(() => 0) };
      return;
    }
    const { received } = this.#arriving;
    demand(equalHeads(this.#arriving.head, head), "a message within another one");
    demand(
      pieces.every(({ offset }, i) => offset === received[i]) &&
        pieces.some(({ byteLength }) => byteLength > 0),
      "pieces of a message out of order",
    );
  }

  /** Reads what an opened frame carries; returns the head of the message if that completes it. */
  async read(frame: IncomingFrame, body: TensorFrame): Promise<TensorHead | undefined> {
    const { head, destinations, received } = this.#arriving!;
    let isComplete = true;
    for (let i = 0; i < destinations.length; i++) {
      const { offset, byteLength } = body.pieces[i]!;
      const place = destinations[i]!;
      if (byteLength > 0) {
        const end = offset + byteLength;
        const isWhole = byteLength === place.byteLength;
        await this.#reader.into(isWhole ? place : place.subarray(offset, end));
        received[i] = end;
      }
      if (received[i] !== place.byteLength) isComplete = false;
    }
    this.#release(frame.wireBytes);
    this.framesReceived++;
    if (!isComplete) return undefined;
    this.#arriving = undefined;
    return head;
  }

  /** Reads past the payloads of a frame. `charged` if {@linkcode Inbox.open} was called with it. */
  async drop(frame: IncomingFrame, charged: boolean): Promise<void> {
    if (!charged) this.#charge(frame);
    await this.#reader.drop(frame.payloadBytes);
    this.#release(frame.wireBytes);
  }

  #charge(frame: IncomingFrame): void {
    demand(
      frame.wireBytes <= this.#credit,
      `a frame of ${frame.wireBytes} bytes beyond its credit`,
    );
    this.#credit -= frame.wireBytes;
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

function checkPlaces(head: TensorHead, places: readonly Uint8Array[]): void {
  const { tensors } = head;
  if (places.length !== tensors.length) {
    throw new RavnError(`${places.length} places for ${tensors.length} ${head.kind} tensors`);
  }
  for (let i = 0; i < places.length; i++) {
    const { name, dtype, dims } = tensors[i]!;
    if (places[i]!.byteLength === byteCount(dtype, dims)) continue;
    throw new RavnError(
      `a place of ${
        places[i]!.byteLength
      } bytes for ${head.kind} tensor ${name} of ${dtype} [${dims}]`,
    );
  }
}

function equalHeads(a: TensorHead, b: TensorHead): boolean {
  return a.kind === b.kind && a.microBatch === b.microBatch && a.step === b.step &&
    a.weightVersion === b.weightVersion && a.samples === b.samples &&
    a.tensors.length === b.tensors.length && a.tensors.every((info, i) => {
      const other = b.tensors[i]!;
      return info.name === other.name && info.dtype === other.dtype &&
        info.dims.length === other.dims.length && info.dims.every((dim, j) =>
          dim === other.dims[j]
        );
    });
}
