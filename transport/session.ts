import type { Identity } from "./message.ts";

/** Who this node is in a run, and what it shares with its peers. */
export interface Session {
  readonly self: Identity;
  /** The run token, which every node of a run knows and nobody else. */
  readonly token: string;
  /** Hash of the plan, in hex. A peer with another plan is refused. */
  readonly runHash: string;
}

/** Version of the protocol, and the oldest one that this side still speaks. */
export const VERSION = 1;
export const VERSION_MIN = 1;
