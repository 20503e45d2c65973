import type { Schedule } from "../pipeline/mod.ts";
import type { Objective } from "../planning/mod.ts";
import type { Fault, SimulationResult } from "../simulation/mod.ts";

/** A model that is made up where there is no plan, and the training of it. */
export interface ModelledTraining {
  /** Dense layers, and their units. */
  readonly layers?: number;
  readonly width?: number;
  readonly batch?: number;
  /** How many clusters, and what they are formed for. */
  readonly clusters?: number;
  readonly objective?: Objective;
}

/** Run a training on virtual time. */
export interface SimulateRequest extends ModelledTraining {
  /** Absent: a model is made up and planned for the nodes. */
  readonly plan?: string;
  /** The node file, or a number of nodes to make up; absent: the node file beside the plan. */
  readonly nodes?: string | number;
  readonly seed: number;
  /** Updates. */
  readonly steps: number;
  /** Absent: the plan's, as for the next. */
  readonly schedule?: Schedule;
  readonly microBatches?: number;
  readonly updateFrequency: number;
  /** Updates between two averages; absent: one average at the end. */
  readonly reduceEvery?: number;
  readonly reduceDelay: number;
  /** What comes to each micro-batch on a stage besides computing, ms. */
  readonly overhead: number;
  /** Of links between machines that were not measured, one way, ms. */
  readonly latency: number;
  /** Spread of computing times, and how late messages come, both relative. */
  readonly noise: number;
  readonly jitter: number;
  readonly faults: readonly Fault[];
  /** File for a trace of who did what when. */
  readonly trace?: string;
}

/** What is simulated where a request says nothing else. */
export const SIMULATED = {
  seed: 0,
  steps: 100,
  updateFrequency: 1,
  reduceDelay: 0,
  overhead: 0,
  latency: 0.5,
  noise: 0.05,
  jitter: 0.2,
  faults: [],
} as const satisfies SimulateRequest;

/** What a simulation shows. */
export interface SimulateReport extends SimulationResult {
  /** What was simulated, in words. */
  readonly title: string;
  /** The trace, where one was asked for. */
  readonly file?: string;
}
