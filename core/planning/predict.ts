import { splitsBackward } from "../pipeline/mod.ts";
import type { Schedule } from "../pipeline/mod.ts";
import { batchTime, limitsOf } from "./predict_limits.ts";
import { FOLLOWED_STAGES_MAX, timelineOf } from "./predict_timeline.ts";
import { transferTime } from "./transfer.ts";

/** What a stage does and needs. Times are for one micro-batch on the node that has the stage. */
export interface StageWork {
  /** Name of the node. */
  readonly node: string;
  /** The machine: nodes with the same text share its cores. */
  readonly host: string;
  readonly forward_ms: number;
  /** All of the backward pass, a recomputed forward and the gradients of the weights included. */
  readonly backward_ms: number;
  /** Of `backward_ms`, what the gradients of the weights alone take; only `zb` parts them. */
  readonly weights_ms: number;
  /** The optimizer's update, ms. */
  readonly update_ms: number;
  /** What comes to each micro-batch besides: frames, bindings, bookkeeping. */
  readonly overhead_ms: number;
  /** Cores that the node keeps busy while it computes: processor time over wall time. */
  readonly cores_used: number;
  /** Factor on its processor time while other stages keep the other cores busy; 1 unless told. */
  readonly contention?: number;
  /** What the node's connection carries each way, Mbit/s; absent: more than its links. */
  readonly connection_mbps?: number;
  readonly memory_bytes: number;
  readonly ram_bytes: number;
}

/** What crosses from one stage to another, one way. */
export interface LinkWork {
  /** Stages. */
  readonly from: number;
  readonly to: number;
  /** Bytes of one micro-batch: activations where `from < to`, gradients otherwise. */
  readonly bytes: number;
  readonly bandwidth_mbps: number;
  /** One way. */
  readonly latency_ms: number;
}

/** A cluster as the numbers that its speed depends on. */
export interface ClusterWork {
  readonly schedule: Schedule;
  /** Samples of a batch. */
  readonly batch_size: number;
  /** Micro-batches of a batch. */
  readonly micro_batches: number;
  /** Micro-batches under way at most; only `async` heeds it. */
  readonly in_flight: number;
  /** Batches whose gradients make one update. */
  readonly update_frequency: number;
  readonly stages: readonly StageWork[];
  readonly links: readonly LinkWork[];
  /** Cores by machine, where they are known: `StageWork.host` names it. */
  readonly cores: ReadonlyMap<string, number>;
}

/** Where the time of a stage goes in one step, ms. The parts add up to the step's time. */
export interface StagePrediction {
  readonly node: string;
  readonly forward_ms: number;
  /** Without `weights_ms`. */
  readonly backward_ms: number;
  /** Gradients of the weights, where the schedule parts them; otherwise 0. */
  readonly weights_ms: number;
  readonly update_ms: number;
  readonly overhead_ms: number;
  /** Neither computing nor updating: the bubble of this stage. */
  readonly waiting_ms: number;
  readonly memory_bytes: number;
  readonly ram_bytes: number;
}

/** What goes over a link in one step. */
export interface LinkPrediction {
  /** Names of the nodes. */
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  /** Time for which the link is busy, ms. */
  readonly busy_ms: number;
}

/** What a resource bounds the speed to: a step takes no less than `step_ms`. */
export interface Limit {
  readonly kind: "compute" | "link" | "cores" | "round trip";
  /** `compute of node_1`, `link node_0 → node_1`, `connection of node_0`, `cores of host h`, … */
  readonly what: string;
  readonly step_ms: number;
}

/** How fast a cluster is expected to be, for one step: one batch. */
export interface Prediction {
  /** Time of a batch in the steady state. */
  readonly step_ms: number;
  readonly samples_per_s: number;
  /** Share of the stages' time in which they wait, 0 to 1. */
  readonly bubble: number;
  readonly stages: readonly StagePrediction[];
  readonly links: readonly LinkPrediction[];
  /** The tightest first: that is what limits. */
  readonly limits: readonly Limit[];
}

/** Time of a batch under the schedule, ms. */
function scheduledTime(cluster: ClusterWork, bound_ms: number): number {
  if (cluster.stages.length <= FOLLOWED_STAGES_MAX) return timelineOf(cluster);
  return cluster.schedule === "async" ? bound_ms : batchTime(cluster);
}

/**
 * Predicts the speed of a cluster: each stage goes through the operations of its schedule in
 * virtual time, waits for what crosses the links, and shares the cores of its machine. A step takes
 * no less than what any resource bounds it to (`limits`); what it takes more is the schedule's
 * bubble.
 */
export function predict(cluster: ClusterWork): Prediction {
  const limits = limitsOf(cluster);
  const bound_ms = limits[0]?.step_ms ?? 0;
  const step_ms = Math.max(bound_ms, scheduledTime(cluster, bound_ms));
  const { micro_batches, schedule } = cluster;
  const splits = splitsBackward({ schedule, stages: cluster.stages.length });
  const stages = cluster.stages.map((stage): StagePrediction => {
    const weights_ms = splits ? stage.weights_ms * micro_batches : 0;
    const parts = {
      forward_ms: stage.forward_ms * micro_batches,
      backward_ms: stage.backward_ms * micro_batches - weights_ms,
      weights_ms,
      update_ms: stage.update_ms / cluster.update_frequency,
      overhead_ms: stage.overhead_ms * micro_batches,
    };
    const busy_ms = Object.values(parts).reduce((sum, ms) => sum + ms, 0);
    const { node, memory_bytes, ram_bytes } = stage;
    return { node, ...parts, waiting_ms: step_ms - busy_ms, memory_bytes, ram_bytes };
  });
  const waiting_ms = stages.reduce((sum, stage) => sum + stage.waiting_ms, 0);
  return {
    step_ms,
    samples_per_s: step_ms > 0 ? (1000 * cluster.batch_size) / step_ms : Infinity,
    bubble: step_ms > 0 ? waiting_ms / (step_ms * stages.length) : 0,
    stages,
    links: cluster.links.map(({ from, to, bytes, bandwidth_mbps }) => ({
      from: cluster.stages[from]!.node,
      to: cluster.stages[to]!.node,
      bytes: bytes * micro_batches,
      busy_ms: transferTime(bytes * micro_batches, bandwidth_mbps),
    })),
    limits,
  };
}
