/**
 * Bounds on what a link accepts and on how long it waits. Sizes in bytes, times in milliseconds.
 */
export interface Limits {
  /** Segment 0 of a frame, which holds everything but the bytes of tensors. */
  readonly head_bytes: number;
  /** Segment 0 of a frame from a peer that has not yet proved that it knows the run token. */
  readonly handshake_bytes: number;
  /** Tensors of one frame. A frame has at most one segment more. */
  readonly tensors: number;
  /** Dimensions of a tensor. */
  readonly rank: number;
  /** A text, in UTF-8. */
  readonly text_bytes: number;
  /** Values of a control message. */
  readonly values: number;
  /** One segment that carries a piece of a tensor. */
  readonly segment_bytes: number;
  /** All segments of a frame together. */
  readonly frame_bytes: number;
  /** What the peer may have sent and this side not yet taken. */
  readonly credit_bytes: number;
  /** Sends and control messages that wait behind one another. */
  readonly queue: number;
  /** Connections that have not yet finished the handshake. */
  readonly unauthenticated: number;
  /** The whole handshake. */
  readonly handshake_ms: number;
  /** One attempt to connect. */
  readonly connect_ms: number;
  /** A link that sends nothing else says so this often. */
  readonly ping_ms: number;
  /** A peer that is silent for so long is lost. */
  readonly silence_ms: number;
  /** A send that makes no progress for so long ends the link. */
  readonly send_ms: number;
  /** Saying goodbye. */
  readonly close_ms: number;
}

/** A peer is named within 5 s of its loss, and may be busy for 3 s without being taken for lost. */
export const LIMITS: Limits = {
  head_bytes: 64 << 10,
  handshake_bytes: 4 << 10,
  tensors: 32,
  rank: 8,
  text_bytes: 4 << 10,
  values: 4096,
  segment_bytes: 256 << 20,
  frame_bytes: 512 << 20,
  credit_bytes: 64 << 20,
  queue: 1024,
  unauthenticated: 32,
  handshake_ms: 5_000,
  connect_ms: 5_000,
  ping_ms: 500,
  silence_ms: 4_000,
  send_ms: 60_000,
  close_ms: 2_000,
};

/** The default limits with some of them replaced. */
export function limitsWith(changes: Partial<Limits> | undefined): Limits {
  return { ...LIMITS, ...changes };
}

/**
 * The most bytes of tensors that go into one frame, for a peer that grants `credit_bytes`: a
 * quarter of its credit, so that sending, crossing and taking overlap, in whole cache lines.
 */
export function pieceBytes(limits: Limits, credit_bytes: number): number {
  const quarter = Math.floor(credit_bytes / 4);
  return Math.max(64, Math.min(quarter, limits.segment_bytes) & ~63);
}
