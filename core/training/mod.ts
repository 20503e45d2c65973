/** A stage's program (forward, backward, update), and what runs it. */
export * from "./manifest.ts";
export { buildPrograms } from "./program.ts";
export type { ProgramInput, StageProgram } from "./program.ts";
export type { StageGraphs } from "./program_graphs.ts";
export type { LabelForm } from "./loss_sum.ts";
export { checkGroups, modelTensors } from "./parameters.ts";
export type {
  Eventual,
  SlotCounts,
  StageEngine,
  StageModels,
  StageWeights,
  StepOptions,
  UpdateAt,
} from "./stage_engine.ts";
export { StageExecutor } from "./executor.ts";
export type { ExecutorOptions } from "./executor.ts";
export { bytesBeside, TableGradients } from "./table_gradients.ts";
export { leaveRows } from "./table_rows.ts";
export { WeightStore } from "./weight_store.ts";
export type { WeightStoreOptions } from "./weight_store.ts";
export { masksFor } from "./stage_masks.ts";
export { DeviceExecutor } from "./device_executor.ts";
export { DeviceWeights } from "./device_weights.ts";
export * from "./loss.ts";
export { countLabels } from "./loss_counts.ts";
export type { Counts } from "./loss_counts.ts";
export * from "./optimizer.ts";
export { checkPatterns, matches, matchesAny } from "./name_patterns.ts";
export { learningRate } from "./learning_rate.ts";
export type { RateSchedule, RunTime } from "./learning_rate.ts";
export { assemble, infoOf, portOf } from "./stage_graphs.ts";
export type { Piece } from "./stage_graphs.ts";
export { partition, shapeOf } from "./partition.ts";
export { trainedValues } from "./parameters.ts";
export { sharedValue, withSharedParameters } from "./shared_parameters.ts";
export type { SharedGraph } from "./shared_parameters.ts";
