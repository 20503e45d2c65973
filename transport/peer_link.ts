import { EXIT, messageOf, RavnError } from "../core/error.ts";
import type { FrameReader, IncomingFrame } from "./frame_reader.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { Inbox } from "./inbox.ts";
import type { Limits } from "./limits.ts";
import type { Closed, Link, Receiver, Traffic } from "./link.ts";
import type { Control, Identity, TensorHead } from "./message.ts";
import { oneLine } from "./one_line.ts";
import { type Farewell, Outbox } from "./outbox.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { RawConn, Via } from "./raw_conn.ts";
import { Watch } from "./watch.ts";

/** A connection after its handshake, and what the handshake agreed on. */
export interface Authenticated {
  readonly conn: RawConn;
  readonly reader: FrameReader;
  readonly writer: FrameWriter;
  readonly via: Via;
  readonly self: Identity;
  readonly peer: Identity;
  /** Bytes that the peer takes before it grants more. */
  readonly credit: number;
  /** Number of the next frame to send. */
  readonly seq: number;
  readonly limits: Limits;
}

/** A {@linkcode Link} over any connection. */
export class PeerLink implements Link {
  readonly peer: Identity;
  readonly via: Via;
  readonly closed: Promise<Closed>;
  readonly #self: Identity;
  readonly #limits: Limits;
  readonly #conn: RawConn;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #watch: Watch;
  readonly #started = Promise.withResolvers<Receiver | undefined>();
  readonly #settled = Promise.withResolvers<Closed>();
  /** How the link ends, once that is decided; the farewell may still be on its way. */
  #verdict: Closed | undefined;
  #farewell: Promise<void> | undefined;
  #hasSaidFarewell = false;
  #isSettled = false;
  /** A frame waits for a receiver, so nothing is read. */
  #isPaused = false;
  /** Why nothing can be written any more. What the peer said last may still be read. */
  #broken: string | undefined;

  constructor(o: Authenticated) {
    this.peer = o.peer;
    this.via = o.via;
    this.closed = this.#settled.promise;
    this.#self = o.self;
    this.#limits = o.limits;
    this.#conn = o.conn;
    this.#reader = o.reader;
    this.#writer = o.writer;
    this.#outbox = new Outbox({ ...o, onBroken: (cause) => this.#onBroken(cause) });
    this.#inbox = new Inbox({
      reader: o.reader,
      credit: o.limits.credit_bytes,
      grant: (bytes) => this.#outbox.grant(bytes),
    });
    this.#watch = new Watch(o.limits, {
      received: () => o.reader.bytesRead,
      sent: () => o.writer.bytesWritten,
      progress: () => this.#outbox.progress,
      isWaiting: () => this.#outbox.isWaiting,
      isListening: () => !this.#isPaused,
      isLeaving: () => this.#verdict !== undefined || this.#broken !== undefined,
      ping: () => this.#outbox.ping(),
      expired: (why) => this.#expired(why),
    });
    this.#read().catch((cause) => this.#onUnreadable(cause));
  }

  get traffic(): Traffic {
    return {
      bytes_sent: this.#writer.bytesWritten,
      bytes_received: this.#reader.bytesRead,
      frames_sent: this.#outbox.framesSent,
      frames_received: this.#inbox.framesReceived,
    };
  }

  start(receiver: Receiver): void {
    this.#started.resolve(receiver);
  }

  async send(head: TensorHead, data: readonly Uint8Array[]): Promise<void> {
    if (this.#verdict !== undefined) throw this.#isOver();
    return await this.#outbox.send(head, data);
  }

  async control(message: Control): Promise<void> {
    if (this.#verdict !== undefined) throw this.#isOver();
    await this.#outbox.control(message);
  }

  look(): void {
    this.#conn.look?.();
  }

  async close(o: { reason?: string } = {}): Promise<void> {
    const reason = clip(o.reason ?? "done", this.#limits);
    this.#leave({ kind: "bye", reason }, { member: "bye", reason });
    await this.closed;
  }

  async fail(message: string): Promise<void> {
    this.#fail(new RavnError(message, { exitCode: EXIT.failure }));
    await this.closed;
  }

  /** Reads until the peer's last frame. Once the link is leaving, what still arrives is dropped. */
  async #read(): Promise<void> {
    for (;;) {
      const frame = await this.#reader.next();
      if (frame === null) return this.#settle(this.#lost("it closed the connection"));
      if (await this.#take(frame)) return;
    }
  }

  /** Acts on a frame; true if it was the last. */
  async #take(frame: IncomingFrame): Promise<boolean> {
    const { body } = frame;
    switch (body.member) {
      case "tensors":
      case "control":
        await this.#deliver(frame);
        return false;
      case "credit":
        this.#outbox.credit(body.bytes);
        return false;
      case "ping":
        this.#outbox.pong(body.token);
        return false;
      case "pong":
        return false;
      case "bye":
        await this.#agree(oneLine(body.reason));
        return true;
      case "failure":
        this.#settle(this.#failedThere(oneLine(body.message)));
        return true;
      default:
        throw new ProtocolError(`a ${body.member} frame after the handshake`);
    }
  }

  async #deliver(frame: IncomingFrame): Promise<void> {
    this.#isPaused = true;
    const receiver = await this.#started.promise;
    this.#isPaused = false;
    const { body } = frame;
    const isOpen = this.#verdict === undefined && receiver !== undefined;
    if (body.member === "control") {
      if (isOpen) this.#orFail(() => receiver.control(body.control));
      this.#inbox.framesReceived++;
    } else if (body.member === "tensors") {
      if (!isOpen) return await this.#inbox.drop(frame, false);
      this.#orFail(() => this.#inbox.open(frame, body.tensors, receiver));
      if (this.#isLeaving()) return await this.#inbox.drop(frame, true);
      const head = await this.#inbox.read(frame, body.tensors);
      if (head !== undefined && !this.#isLeaving()) this.#orFail(() => receiver.arrived(head));
    }
  }

  #isLeaving(): boolean {
    return this.#verdict !== undefined;
  }

  /** Calls the receiver. What it throws is this side's reason to stop. */
  #orFail(call: () => void): void {
    try {
      call();
    } catch (cause) {
      if (cause instanceof ProtocolError) throw cause;
      const error = cause instanceof RavnError
        ? cause
        : new RavnError(messageOf(cause), { exitCode: EXIT.failure, cause });
      this.#fail(error);
    }
  }

  #fail(error: RavnError): void {
    const message = clip(error.message, this.#limits);
    this.#leave(
      { kind: "failed", by: "self", message, error },
      { member: "failure", code: "failed", message },
      error,
    );
  }

  /**
   * Decides how the link ends and says farewell: after all that waits, or, if that is to be
   * rejected with `instead`, at once. The link is settled when the peer has closed, too, or at a
   * deadline.
   */
  #leave(verdict: Closed, farewell: Farewell, instead?: RavnError): void {
    if (this.#verdict !== undefined) return;
    this.#verdict = verdict;
    this.#farewell = this.#outbox.farewell(farewell, instead).then(
      () => void (this.#hasSaidFarewell = true),
      () => {},
    );
    // A frame that waits for a receiver is dropped, so that the peer's farewell can be read.
    this.#started.resolve(undefined);
  }

  /** The peer said goodbye: what waits will not be taken any more. */
  async #agree(reason: string): Promise<void> {
    this.#leave({ kind: "bye", reason }, { member: "bye", reason: "agreed" });
    this.#outbox.hurry(this.#isOver());
    await this.#farewell;
    this.#settle();
  }

  #onUnreadable(cause: unknown): void {
    if (this.#isSettled) return;
    const why = messageOf(cause);
    if (!(cause instanceof ProtocolError)) return this.#settle(this.#lost(why));
    const lost = this.#lost(`it broke the protocol: ${why}`);
    const failure = { member: "failure", code: "protocol", message: why } as const;
    this.#leave(lost, failure, this.#isOver(lost));
    this.#reader.drain().catch(() => {}).then(() => this.#farewell).finally(() => this.#settle());
  }

  /**
   * A write failed. The peer may have said why before it closed, so reading goes on for a while.
   */
  #onBroken(cause: unknown): void {
    if (this.#isSettled || this.#broken !== undefined) return;
    this.#broken = messageOf(cause);
    const lost = this.#lost(this.#broken);
    this.#outbox.stop(this.#isOver(lost));
    if (this.#isPaused) this.#settle(lost);
  }

  #expired(why: "silent" | "stalled" | "left"): void {
    const { silence_ms, ping_ms, send_ms } = this.#limits;
    if (why === "left") this.#settle(this.#lost(this.#broken ?? "it did not say goodbye"));
    else if (why === "silent") {
      this.#settle(this.#lost(
        `nothing was heard from it for ${silence_ms / 1000} s, a sign of life was expected every ` +
          `${ping_ms / 1000} s`,
      ));
    } else this.#settle(this.#lost(`it took nothing for ${send_ms / 1000} s`));
  }

  /** Ends the link as was decided before, or else as `closed` says. */
  #settle(closed?: Closed): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    // A goodbye is none if the peer failed over what came before it, or was gone by then.
    const isCutShort = closed?.kind === "failed" || !this.#hasSaidFarewell;
    if (closed !== undefined && this.#verdict?.kind === "bye" && isCutShort) this.#verdict = closed;
    this.#verdict ??= closed ?? this.#lost("it is closed");
    this.#watch.stop();
    this.#outbox.stop(this.#isOver());
    this.#started.resolve(undefined);
    try {
      this.#conn.close();
    } catch {
      // It is closed already.
    }
    this.#settled.resolve(this.#verdict);
  }

  #lost(why: string): Closed {
    const { nodeId, address } = this.peer;
    const error = new RavnError(
      `${this.#self.nodeId} lost ${nodeId} at ${address}: ${why}; see what ${nodeId} printed last`,
      { exitCode: EXIT.failure },
    );
    return { kind: "lost", error };
  }

  #failedThere(message: string): Closed {
    const { nodeId, address } = this.peer;
    const error = new RavnError(`${nodeId} at ${address} failed: ${message}`, {
      exitCode: EXIT.failure,
    });
    return { kind: "failed", by: "peer", message, error };
  }

  /** What is thrown at those who still want to send. */
  #isOver(closed: Closed | undefined = this.#verdict): RavnError {
    if (closed !== undefined && closed.kind !== "bye") return closed.error;
    const { nodeId, address } = this.peer;
    return new RavnError(
      `the link of ${this.#self.nodeId} to ${nodeId} at ${address} is closed` +
        (closed === undefined ? "" : `: ${closed.reason}`),
      { exitCode: EXIT.failure },
    );
  }
}

/** A text that fits into a frame and into one line. */
function clip(text: string, limits: Limits): string {
  return oneLine(text, Math.floor(limits.text_bytes / 3));
}
