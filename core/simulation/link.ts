import { transferTime } from "../planning/mod.ts";
import type { EventQueue } from "./event_queue.ts";
import { finishTime } from "./spells.ts";
import type { Spell } from "./spells.ts";

/** What crosses links. */
export const MESSAGE_KINDS = [
  "begin",
  "forward",
  "backward",
  "evaluate",
  "evaluated",
  "norm",
  "reduce",
  "gather",
] as const;

/** One of {@link MESSAGE_KINDS}. */
export type MessageKind = typeof MESSAGE_KINDS[number];

/** A message on its way. */
export interface Message {
  readonly kind: MessageKind;
  /** Of its tensors; a message without any takes no time but the link's latency. */
  readonly bytes: number;
  /** Its last byte has left: the memory in which it lay may be used again. */
  readonly sent?: () => void;
  readonly arrived: () => void;
}

/** One direction of a node's own connection, which all its links in that direction share. */
export class Connection {
  readonly #mbps: number;
  #free_ms = 0;

  constructor(mbps: number) {
    this.#mbps = mbps;
  }

  /** When bytes have passed that could begin at a time: after all that were taken before. */
  take(bytes: number, start_ms: number): number {
    this.#free_ms = Math.max(this.#free_ms, start_ms) + transferTime(bytes, this.#mbps);
    return this.#free_ms;
  }

  /** When bytes have passed whose last could arrive at a time. */
  takeUntil(bytes: number, end_ms: number): number {
    return this.take(bytes, end_ms - transferTime(bytes, this.#mbps));
  }
}

/** What a link can do, and how much may wait. */
export interface LinkTerms {
  readonly bandwidth_mbps: number;
  /** One way. */
  readonly latency_ms: number;
  /** Bytes that may be sent and not yet taken; a frame holds a quarter of them at most. */
  readonly credit_bytes: number;
  /** Messages that may wait. */
  readonly waiting_max: number;
  readonly spells: readonly Spell[];
  /** The connections of sender and receiver, where the link goes over them. */
  readonly over?: { readonly from: Connection; readonly to: Connection };
  /** Draws by how much later than usual a frame arrives, ms. */
  readonly jitter: () => number;
}

/** A part of a message that crosses at one go. */
interface Frame {
  readonly message: Message;
  readonly bytes: number;
  readonly isLast: boolean;
}

/**
 * One direction of a link between two nodes: frames leave one after the other as the bandwidth and
 * the receiver's credit allow, and arrive in that order, each later by the latency and by what the
 * jitter draws. So messages of one link keep their order, those of several come in any.
 */
export class SimulatedLink {
  readonly #queue: EventQueue;
  readonly #terms: LinkTerms;
  readonly #waiting: Message[] = [];
  /** Bytes of the first waiting message that have left. */
  #begun = 0;
  #isBusy = false;
  #credit: number;
  #taken = 0;
  #lastArrival_ms = 0;
  #isCut = false;
  #changed_ms = 0;
  #waited_ms = 0;

  /** Bytes of tensors by kind of message. */
  readonly bytes = new Map<MessageKind, number>();
  messages = 0;
  /** The most messages that were not sent yet. */
  waiting_most = 0;
  busy_ms = 0;

  constructor(queue: EventQueue, terms: LinkTerms) {
    this.#queue = queue;
    this.#terms = terms;
    this.#credit = terms.credit_bytes;
  }

  /**
   * Sends a message behind those that wait.
   *
   * @throws {Error} where too many wait
   */
  send(message: Message): void {
    if (this.#isCut) return;
    if (this.#waiting.length >= this.#terms.waiting_max) {
      throw new Error(`${this.#waiting.length} messages wait on a link already`);
    }
    this.messages++;
    this.bytes.set(message.kind, (this.bytes.get(message.kind) ?? 0) + message.bytes);
    this.#count();
    this.#waiting.push(message);
    this.waiting_most = Math.max(this.waiting_most, this.#waiting.length);
    this.#pump();
  }

  /** Nothing is sent any more, and nothing that is under way arrives. */
  cut(): void {
    this.#isCut = true;
    this.#waiting.length = 0;
  }

  /** How long messages waited until they had left, ms: all together. */
  get waited_ms(): number {
    this.#count();
    return this.#waited_ms;
  }

  /** Adds up how long how many messages have waited. */
  #count(): void {
    const now = this.#queue.now_ms;
    this.#waited_ms += this.#waiting.length * (now - this.#changed_ms);
    this.#changed_ms = now;
  }

  /** The frame to send next, as far as the credit goes. */
  #next(): Frame | undefined {
    const message = this.#waiting[0];
    if (message === undefined) return undefined;
    const left = message.bytes - this.#begun;
    const bytes = Math.min(left, Math.floor(this.#terms.credit_bytes / 4));
    return bytes <= this.#credit ? { message, bytes, isLast: bytes === left } : undefined;
  }

  #pump(): void {
    if (this.#isBusy || this.#isCut) return;
    const frame = this.#next();
    if (frame === undefined) return;
    this.#isBusy = true;
    this.#credit -= frame.bytes;
    this.#begun += frame.bytes;
    const start = this.#queue.now_ms;
    const { spells, bandwidth_mbps, over } = this.#terms;
    const passed = finishTime(spells, start, transferTime(frame.bytes, bandwidth_mbps));
    if (passed === Infinity) return;
    const finish = Math.max(passed, over?.from.take(frame.bytes, start) ?? 0);
    this.#queue.at(finish, () => {
      this.#isBusy = false;
      this.busy_ms += finish - start;
      if (!this.#isCut) this.#left(frame);
    });
  }

  /** A frame has left. */
  #left(frame: Frame): void {
    const { latency_ms, jitter, over } = this.#terms;
    const crossed = this.#queue.now_ms + latency_ms + jitter();
    const taken = over?.to.takeUntil(frame.bytes, crossed) ?? 0;
    const arrival = Math.max(this.#lastArrival_ms, crossed, taken);
    this.#lastArrival_ms = arrival;
    this.#queue.at(arrival, () => this.#arrived(frame));
    if (frame.isLast) {
      this.#count();
      this.#waiting.shift();
      this.#begun = 0;
    }
    this.#pump();
    if (frame.isLast) frame.message.sent?.();
  }

  /** The receiver gives credit back in portions of a quarter. */
  #arrived({ message, bytes, isLast }: Frame): void {
    if (this.#isCut) return;
    this.#taken += bytes;
    if (this.#taken * 4 >= this.#terms.credit_bytes) {
      const granted = this.#taken;
      this.#taken = 0;
      this.#queue.after(this.#terms.latency_ms, () => {
        this.#credit += granted;
        this.#pump();
      });
    }
    if (isLast) message.arrived();
  }
}
