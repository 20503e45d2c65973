import { RavnError } from "../core/error.ts";
import { byteCount } from "../core/onnx/tensor.ts";
import type { FailureCode } from "./decode.ts";
import { encode, fillControl } from "./encode.ts";
import type { FrameWriter } from "./frame_writer.ts";
import * as wire from "./gen/transport.ts";
import { type Limits, pieceBytes } from "./limits.ts";
import type { Control, TensorHead, TensorInfo } from "./message.ts";
import { checkControl, checkSend, checkTensors, cutIntoFrames } from "./pieces.ts";
import { TensorTemplate } from "./tensor_template.ts";

/** The last thing that a link says. */
export type Farewell =
  | { readonly member: "bye"; readonly reason: string }
  | { readonly member: "failure"; readonly code: FailureCode; readonly message: string };

/** The frames of one message, made once for its names and shapes. */
interface Prepared {
  readonly templates: readonly TensorTemplate[];
  /** Bytes of each tensor. */
  readonly lengths: readonly number[];
}

/** A message that waits, with what settles the promise that its sender holds. */
type Item =
  & { resolve(): void; reject(error: RavnError): void }
  & (
    | { readonly member: "control"; readonly control: Control }
    | { readonly member: "farewell"; readonly farewell: Farewell }
    | {
      readonly member: "tensors";
      readonly head: TensorHead;
      readonly data: readonly Uint8Array[];
      readonly templates: readonly TensorTemplate[];
      /** Which of the templates is next. */
      frame: number;
    }
  );

const PREPARED_MOST = 16;

/**
 * The sending half of a link: one writer, messages in the order in which they were given, tensor
 * frames as far as the peer's credit goes. Signs of life and credit go in between any two frames.
 */
export class Outbox {
  framesSent = 0;
  readonly #writer: FrameWriter;
  readonly #limits: Limits;
  readonly #onBroken: (cause: unknown) => void;
  readonly #window: number;
  readonly #queue: Item[] = [];
  #prepared: Prepared[] = [];
  #seq: number;
  #credit: number;
  #steps = 0;
  #isPutting = false;
  #grant = 0;
  #ping = false;
  #pong: bigint | undefined;
  #running = false;
  #stopped: RavnError | undefined;

  /** `credit` is what the peer takes before it grants more; `seq` the number of the next frame. */
  constructor(o: {
    writer: FrameWriter;
    limits: Limits;
    credit: number;
    seq: number;
    onBroken: (cause: unknown) => void;
  }) {
    this.#writer = o.writer;
    this.#limits = o.limits;
    this.#window = this.#credit = o.credit;
    this.#seq = o.seq;
    this.#onBroken = o.onBroken;
  }

  /** True while a message waits to be sent or is being sent. */
  get isWaiting(): boolean {
    return this.#isPutting || this.#queue.length > 0;
  }

  /**
   * Changes whenever the peer took a part of a message or allowed one; signs of life do not count.
   */
  get progress(): number {
    return this.#steps + (this.#isPutting ? this.#writer.bytesWritten : 0);
  }

  /**
   * Sends tensors. Resolves when the buffers may be reused.
   *
   * @throws {RavnError} when they do not fit their head, or too many messages wait.
   */
  send(head: TensorHead, data: readonly Uint8Array[]): Promise<void> {
    const { templates, lengths } = this.#prepare(head.tensors);
    checkSend(head, lengths, data);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#enqueue({ member: "tensors", head, data, templates, frame: 0, resolve, reject });
    return promise;
  }

  /** Sends a control message. Resolves when it is on its way. @throws {RavnError} likewise. */
  control(control: Control): Promise<void> {
    checkControl(control, this.#limits);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#enqueue({ member: "control", control, resolve, reject });
    return promise;
  }

  /** Says `farewell` after everything that waits, or, if that fails it, instead of it. */
  farewell(farewell: Farewell, instead?: RavnError): Promise<void> {
    if (instead) this.#rejectAll(instead);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ member: "farewell", farewell, resolve, reject });
    if (this.#stopped) this.#rejectAll(this.#stopped);
    this.#wake();
    return promise;
  }

  /** Rejects what waits before the farewell, for a peer that takes nothing more. */
  hurry(error: RavnError): void {
    const farewells = this.#queue.filter((item) => item.member === "farewell");
    for (const item of this.#queue.splice(0)) {
      if (item.member !== "farewell") item.reject(error);
    }
    this.#queue.push(...farewells);
    this.#wake();
  }

  /** The peer takes so many bytes more. */
  credit(bytes: number): void {
    this.#credit += bytes;
    this.#steps++;
    this.#wake();
  }

  /** Tells the peer that it may send so many bytes more. */
  grant(bytes: number): void {
    this.#grant += bytes;
    this.#wake();
  }

  /** Sends a sign of life. */
  ping(): void {
    this.#ping = true;
    this.#wake();
  }

  /** Answers a sign of life. Only the latest is answered if several wait. */
  pong(token: bigint): void {
    this.#pong = token;
    this.#wake();
  }

  /** Ends the sending: everything that waits, and whatever comes, is rejected with `error`. */
  stop(error: RavnError): void {
    this.#stopped ??= error;
    this.#rejectAll(error);
  }

  #rejectAll(error: RavnError): void {
    for (const item of this.#queue.splice(0)) item.reject(error);
  }

  #enqueue(item: Item): void {
    if (this.#stopped) throw this.#stopped;
    if (this.#queue.length >= this.#limits.queue) {
      const count = this.#queue.length;
      throw new RavnError(`${count} messages wait already; wait for earlier ones first`);
    }
    this.#queue.push(item);
    this.#wake();
  }

  #prepare(tensors: readonly TensorInfo[]): Prepared {
    const known = this.#prepared.findIndex(({ templates }) => templates[0]!.fits(tensors));
    if (known === 0) return this.#prepared[0]!;
    const prepared = known > 0 ? this.#prepared[known]! : this.#make(tensors);
    const others = this.#prepared.filter((each) => each !== prepared);
    this.#prepared = [prepared, ...others.slice(0, PREPARED_MOST - 1)];
    return prepared;
  }

  #make(tensors: readonly TensorInfo[]): Prepared {
    checkTensors(tensors, this.#limits);
    const frames = cutIntoFrames(tensors, pieceBytes(this.#limits, this.#window));
    const templates = frames.map((pieces) => new TensorTemplate(tensors, pieces));
    const largest = Math.max(...templates.map((template) => template.wireBytes));
    if (largest > this.#window || templates[0]!.headBytes > this.#limits.head_bytes) {
      throw new RavnError(
        `cannot send ${tensors.length} tensors at once: their names and shapes take ` +
          `${
            templates[0]!.headBytes
          } bytes, more than a peer accepts; send them as several messages`,
      );
    }
    return { templates, lengths: tensors.map(({ dtype, dims }) => byteCount(dtype, dims)) };
  }

  #wake(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    this.#pump().catch((cause) => this.#onBroken(cause));
  }

  async #pump(): Promise<void> {
    try {
      while (!this.#stopped) {
        if (this.#grant > 0 || this.#ping || this.#pong !== undefined) await this.#urgent();
        const item = this.#queue[0];
        if (item !== undefined && this.#affords(item)) {
          this.#isPutting = true;
          const isLast = await this.#put(item);
          if (item.member === "farewell") await this.#writer.flush();
          this.#isPutting = false;
          this.#steps++;
          // It stays first until here, so that it is rejected if it cannot be written.
          if (isLast && this.#queue[0] === item) this.#queue.shift();
          if (isLast) item.resolve();
        } else if (this.#writer.staged > 0) {
          await this.#writer.flush();
        } else {
          return;
        }
      }
    } finally {
      // At once, so that whoever comes next starts the pump again.
      this.#running = false;
      this.#isPutting = false;
    }
  }

  #affords(item: Item): boolean {
    return item.member !== "tensors" || item.templates[item.frame]!.wireBytes <= this.#credit;
  }

  async #urgent(): Promise<void> {
    const grant = this.#grant;
    if (grant > 0) {
      this.#grant = 0;
      await this.#frame((frame) => frame.initCredit().bytes = BigInt(grant));
    }
    const token = this.#pong;
    if (token !== undefined) {
      this.#pong = undefined;
      await this.#frame((frame) => frame.initPong().token = token);
    }
    if (this.#ping) {
      this.#ping = false;
      await this.#frame((frame) => frame.initPing().token = BigInt(this.#seq));
    }
  }

  async #frame(fill: (frame: wire.Frame) => void): Promise<void> {
    await this.#writer.put(encode(this.#seq++, fill));
  }

  /** Writes or stages the next frame of an item; true if that was its last. */
  async #put(item: Item): Promise<boolean> {
    if (item.member === "control") {
      this.framesSent++;
      await this.#frame((frame) => fillControl(frame, item.control));
      return true;
    }
    if (item.member === "farewell") {
      await this.#frame((frame) => fillFarewell(frame, item.farewell));
      return true;
    }
    const template = item.templates[item.frame]!;
    item.frame++;
    this.framesSent++;
    this.#credit -= template.wireBytes;
    const writing = this.#writer.put(template.patch(this.#seq++, item.head));
    if (writing !== undefined) await writing;
    for (let i = 0; i < item.data.length; i++) {
      const { offset, byteLength } = template.pieces[i]!;
      if (byteLength === 0) continue;
      const bytes = item.data[i]!;
      const whole = byteLength === bytes.byteLength;
      await this.#writer.putPadded(whole ? bytes : bytes.subarray(offset, offset + byteLength));
    }
    return item.frame === item.templates.length;
  }
}

function fillFarewell(frame: wire.Frame, farewell: Farewell): void {
  if (farewell.member === "bye") {
    frame.initBye().reason = farewell.reason;
    return;
  }
  const failure = frame.initFailure();
  failure.code = wire.FailureCode.indexOf(farewell.code);
  failure.message = farewell.message;
}
