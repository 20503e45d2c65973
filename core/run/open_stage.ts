import type { Tensor } from "../onnx/mod.ts";
import { WeightVersions } from "../pipeline/mod.ts";
import type { Calendar, Schedule } from "../pipeline/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import { learningRate, StageExecutor, WeightStore } from "../training/mod.ts";
import type { OptimizerConfig, RateSchedule } from "../training/mod.ts";
import type { StoredStage } from "./stage_files.ts";
import { VALIDATION_WINDOW } from "./stage_mail.ts";
import { copiesNeeded } from "./stage_run.ts";

/** How a stage is to be trained: the part of `ravn.yaml` that it needs. */
export interface StageSettings {
  readonly schedule: Schedule;
  readonly inFlight: number;
  readonly microBatches: number;
  readonly updateFrequency: number;
  readonly optimizer: OptimizerConfig;
  readonly learningRate: RateSchedule;
  readonly seed: number;
}

/** A stage in memory. */
export interface OpenStage extends AsyncDisposable {
  readonly executor: StageExecutor;
  readonly weights: WeightStore;
  readonly versions: WeightVersions;
  readonly rate: (update: number, calendar: Calendar) => number;
  /** A copy of the newest weights and running statistics, by name. */
  tensors(): Map<string, Tensor>;
}

/** Loads a stage's graphs and allocates all the memory that its training takes. */
export async function openStage(
  runtime: Runtime,
  { manifest, models, tensors }: StoredStage,
  settings: StageSettings,
): Promise<OpenStage> {
  const { stage, stages } = manifest;
  const { schedule, inFlight, microBatches, updateFrequency, optimizer, seed } = settings;
  const copies = copiesNeeded({ schedule, stage, stages, inFlight }, microBatches);
  const weights = new WeightStore({
    runtime,
    parameters: manifest.parameters,
    initial: tensors,
    optimizer,
    versions: copies.versions,
    accumulates: microBatches * updateFrequency > 1,
  });
  const executor = await StageExecutor.open({
    runtime,
    manifest,
    models,
    statistics: tensors,
    weights,
    slots: { ...copies, validation: VALIDATION_WINDOW },
    seed,
  });
  const held = new WeightVersions(copies.versions);
  return {
    executor,
    weights,
    versions: held,
    tensors: () => new Map([...weights.tensors(held.buffer), ...executor.statistics()]),
    rate: (update, calendar) => rateOf(settings, update, calendar),
    async [Symbol.asyncDispose]() {
      await executor[Symbol.asyncDispose]();
      weights[Symbol.dispose]();
    },
  };
}

function rateOf(settings: StageSettings, update: number, calendar: Calendar): number {
  return learningRate(settings.learningRate, settings.optimizer.lr, {
    update,
    epoch: calendar.epochOf(update),
    updates: calendar.updates,
    epochs: calendar.shape.epochs,
  });
}
