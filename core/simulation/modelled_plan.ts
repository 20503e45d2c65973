import { makePlan } from "../planning/mod.ts";
import type { NodeConfig, Objective, Plan } from "../planning/mod.ts";
import type { Schedule } from "../pipeline/mod.ts";
import { modelledModel } from "./modelled_model.ts";

/** What is to be planned, where there is no plan. */
export interface ModelledRun {
  readonly nodes: readonly NodeConfig[];
  /** Dense layers of the model, and their units. */
  readonly layers: number;
  readonly width: number;
  readonly batch_size: number;
  readonly micro_batches: number;
  readonly schedule: Schedule;
  readonly seed: number;
  /** What clusters are formed for. */
  readonly objective: Objective;
  /** How many there are to be; absent: as the search finds best. */
  readonly clusters?: number;
}

/**
 * Plans a made-up model for made-up nodes with the planner that plans real ones.
 *
 * @throws {RavnError} where so many clusters cannot be
 */
export function modelledPlan(run: ModelledRun): Plan {
  const { layers, width, ...terms } = run;
  return makePlan({
    ...terms,
    ...modelledModel(layers, width),
    model: { file: `perceptron of ${layers} layers`, sha256: "0".repeat(64) },
    nodes_file: "--nodes",
    split: "time",
    in_flight: "auto",
    optimizer_slots: 2,
    recompute: "auto",
  });
}
