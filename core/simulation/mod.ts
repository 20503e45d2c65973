/**
 * A training run on virtual time, in one thread, without data: how fast would it be, who would wait
 * for what, and do all schedules hold what they promise whatever the links do?
 *
 * @module
 */
export type {
  Fault,
  SimulatedCluster,
  SimulatedMessage,
  SimulationInput,
  SimulationObserver,
  Way,
} from "./input.ts";
export { modelledPlan } from "./modelled_plan.ts";
export type { ModelledRun } from "./modelled_plan.ts";
export { modelledPool } from "./modelled_pool.ts";
export { checkNodes, clustersOf, rescheduled, scaledPlan } from "./planned.ts";
export { simulate } from "./simulate.ts";
export { WAITS } from "./stage_counts.ts";
export type { WaitCause } from "./stage_counts.ts";
export type {
  AveragingResult,
  ClusterResult,
  LinkResult,
  SimulationResult,
  StageResult,
} from "./report.ts";
export type { SimulatedLoss } from "./simulation.ts";
export type { MessageKind } from "./link.ts";
export type { Spell } from "./spells.ts";
