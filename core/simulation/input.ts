import type { Holder, Piece } from "../collective/mod.ts";
import type { RunShape, StageTask } from "../pipeline/mod.ts";
import type { ClusterWork } from "../planning/mod.ts";
import type { MessageKind } from "./link.ts";
import type { AveragingValues } from "./simulated_averaging.ts";
import type { Spell } from "./spells.ts";

/** A cluster: what its stages compute and exchange, and what each of them holds. */
export interface SimulatedCluster {
  readonly work: ClusterWork;
  /** By stage: where the node is to be reached, for messages. */
  readonly addresses: readonly string[];
  /** By stage: elements of the trainable parameters. They lie one behind the other. */
  readonly elements: readonly number[];
}

/** The way from one node to another. */
export interface Way {
  readonly bandwidth_mbps: number;
  /** One way. */
  readonly latency_ms: number;
}

/** Something that goes wrong. Nodes are named as in the plan. */
export type Fault =
  /** A node computes more slowly. */
  | ({ readonly type: "slow"; readonly node: string } & Spell)
  /** A link has less of its bandwidth, in both directions. */
  | ({ readonly type: "link"; readonly nodes: readonly [string, string] } & Spell)
  /** A machine vanishes. */
  | { readonly type: "kill"; readonly node: string; readonly at_ms: number };

/** Everything that a simulation depends on. */
export interface SimulationInput {
  readonly clusters: readonly SimulatedCluster[];
  /** What the run consists of, for each of the clusters. */
  readonly shape: RunShape;
  /** The way between nodes of two clusters. */
  readonly wayBetween: (from: Holder, to: Holder) => Way;
  readonly seed: number;
  /** Standard deviation of the time of an operation, relative to it. */
  readonly noise: number;
  /** How much later than its latency a message arrives on the average, relative to the latency. */
  readonly jitter: number;
  /** Whether updates need the norm of all gradients. */
  readonly norms?: boolean;
  readonly faults?: readonly Fault[];
  /** Real values to be averaged; without them only their sizes count. */
  readonly values?: (node: Holder, pieces: readonly Piece[]) => AveragingValues;
}

/** A message that has arrived. Times in ms. */
export interface SimulatedMessage {
  readonly kind: MessageKind;
  /** Micro-batch, update, validation batch or piece. */
  readonly of: number;
  readonly bytes: number;
  /** When it was given to the link, had left and had arrived. */
  readonly given_ms: number;
  readonly left_ms: number;
  readonly arrived_ms: number;
}

/** Learns what happens in a simulation. */
export interface SimulationObserver {
  ran?(node: Holder, task: StageTask, begin_ms: number, end_ms: number): void;
  arrived?(from: Holder, to: Holder, message: SimulatedMessage): void;
}

/** A peer from which nothing is heard for so long is lost, as on real links. */
export const SILENCE_MS = 4_000;

/** What a link's receiver grants, bytes, as on real links. */
export const CREDIT_BYTES = 64 * 2 ** 20;

/** Messages that may wait on a link, as on real links. */
export const WAITING_MAX = 1024;
