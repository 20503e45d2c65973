import type { RavnError } from "../core/error.ts";
import type { Control, Identity, TensorHead } from "./message.ts";
import type { Via } from "./raw_conn.ts";

/** What a link does with what arrives. It is called in the order in which things were sent. */
export interface Receiver {
  /**
   * Where the bytes of each tensor of a message belong: one buffer a tensor, of exactly its length.
   * They are written until {@linkcode Receiver.arrived} is called with the same head.
   *
   * @throws {RavnError} to refuse the message: the link then fails, and the peer is told why.
   */
  place(head: TensorHead): readonly Uint8Array[];
  /** All bytes of the message are in place. */
  arrived(head: TensorHead): void;
  /** A control message arrived. */
  control(message: Control): void;
}

/** How a link ended. */
export type Closed =
  /** One side said goodbye, and the other agreed. */
  | { readonly kind: "bye"; readonly reason: string }
  /** The peer is gone or broke the protocol; the error names node, address and cause. */
  | { readonly kind: "lost"; readonly error: RavnError }
  /** One side could not go on and said why: the peer, or this side by {@linkcode Link.fail}. */
  | {
    readonly kind: "failed";
    readonly by: "peer" | "self";
    readonly message: string;
    readonly error: RavnError;
  };

/** What has crossed a link, in bytes on the wire and in frames with tensors or control messages. */
export interface Traffic {
  readonly bytes_sent: number;
  readonly bytes_received: number;
  readonly frames_sent: number;
  readonly frames_received: number;
}

/** A connection to a peer that has proved that it belongs to the same run. */
export interface Link {
  readonly peer: Identity;
  readonly via: Via;
  /** How the link ended. It never rejects. */
  readonly closed: Promise<Closed>;
  readonly traffic: Traffic;
  /** Begins to take tensors and control messages. Until then they wait at the peer. */
  start(receiver: Receiver): void;
  /**
   * Sends tensors: `data` are the bytes of `head.tensors`, which are not copied from 32 KiB up.
   * Resolves when the buffers may be reused. Messages arrive whole and in the order of the calls.
   *
   * @throws {RavnError} when the tensors do not fit their head, too many messages wait already, or
   * the link is or gets closed.
   */
  send(head: TensorHead, data: readonly Uint8Array[]): Promise<void>;
  /** Sends a control message, in order with the tensors. */
  control(message: Control): Promise<void>;
  /**
   * Begins to take in what has come, where that can be told at once: for one who computes and gives
   * the event loop little time.
   */
  look(): void;
  /** Sends what waits, says goodbye and waits until the peer agrees, within a deadline. */
  close(o?: { reason?: string }): Promise<void>;
  /** Tells the peer why this side cannot go on, ahead of what waits, and closes. */
  fail(message: string): Promise<void>;
}
