/**
 * Tensors between nodes: authenticated links over TCP or Unix sockets, with flow control, signs of
 * life and a deadline on every wait. It knows bytes and peers, and nothing of training.
 *
 * @module
 */
export { dial, type DialOptions } from "./dial.ts";
export { LIMITS, type Limits } from "./limits.ts";
export type { Closed, Link, Receiver, Traffic } from "./link.ts";
export { listen, type Listener, type ListenOptions, type Sockets } from "./listen.ts";
export type { SharedBlock, SharedMemory } from "./local_conn.ts";
export { memoryLinks } from "./memory.ts";
export type {
  Control,
  ControlKind,
  Identity,
  Kind,
  TensorHead,
  TensorInfo,
  WireDType,
} from "./message.ts";
export type { RawConn, Via } from "./raw_conn.ts";
export type { Session } from "./session.ts";
