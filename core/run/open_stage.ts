import type { OuterConfig } from "../collective/mod.ts";
import type { CompressionConfig } from "../compression/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { VALIDATION_WINDOW, WeightVersions } from "../pipeline/mod.ts";
import type { Calendar, Schedule } from "../pipeline/mod.ts";
import { blockedModels } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import {
  bytesBeside,
  DeviceExecutor,
  DeviceWeights,
  learningRate,
  leaveRows,
  StageExecutor,
  WeightStore,
} from "../training/mod.ts";
import type {
  ClipConfig,
  OptimizerConfig,
  RateSchedule,
  SlotCounts,
  StageEngine,
  StageWeights,
  WeightStoreOptions,
} from "../training/mod.ts";
import type { StoredStage } from "./stage_files.ts";
import { copiesNeeded } from "./stage_copies.ts";

/** How a stage is to be trained: the part of `ravn.yaml` that it needs. */
export interface StageSettings {
  readonly schedule: Schedule;
  readonly inFlight: number;
  readonly microBatches: number;
  readonly updateFrequency: number;
  readonly optimizer: OptimizerConfig;
  /** How gradients are limited; not at all if absent. */
  readonly clip?: ClipConfig | undefined;
  readonly learningRate: RateSchedule;
  readonly seed: number;
  /** What clusters make of the mean of how far they moved; the mean itself if absent. */
  readonly outer?: OuterConfig | undefined;
  /** Whether clusters average the optimizer's state too. */
  readonly averageOptimizer?: boolean | undefined;
  /** How tensors travel; as they are if absent. */
  readonly compression?: CompressionConfig | undefined;
  /** Whether each epoch has an order of its own; matters where several stages read data. */
  readonly shuffle?: boolean;
}

/** A stage in memory. */
export interface OpenStage extends AsyncDisposable {
  readonly executor: StageEngine;
  readonly weights: StageWeights;
  readonly versions: WeightVersions;
  readonly rate: (update: number, calendar: Calendar) => number;
  /** A copy of the newest weights and running statistics, by name. */
  tensors(): Promise<Map<string, Tensor>>;
}

/** How `openStage` opens a stage. */
export interface OpenStageOptions {
  /**
   * Where a stage keeps what it trains: in host memory that the optimizer's kernels reach, or as
   * tensors of the runtime's device. A test takes the latter on the CPU.
   */
  readonly engine?: "host" | "device";
}

/** The two halves of a stage in memory, and whatever else is to be disposed of after them. */
interface Halves {
  readonly executor: StageEngine;
  readonly weights: StageWeights;
  readonly memory?: Disposable;
}

/** Everything an executor needs but its weights. */
interface Opening {
  readonly runtime: Runtime;
  readonly stored: StoredStage;
  readonly weights: WeightStoreOptions;
  readonly slots: SlotCounts;
  readonly seed: number;
}

/**
 * Loads a stage's graphs and allocates all the memory that its training takes.
 *
 * @throws {RavnError} where the runtime's device cannot be used, saying what is missing
 */
export async function openStage(
  runtime: Runtime,
  stored: StoredStage,
  settings: StageSettings,
  options: OpenStageOptions = {},
): Promise<OpenStage> {
  const { manifest, tensors } = stored;
  const { stage, stages } = manifest;
  const { schedule, inFlight, microBatches, updateFrequency, optimizer, clip, seed } = settings;
  const copies = copiesNeeded({ schedule, stage, stages, inFlight }, microBatches);
  const weights = {
    runtime,
    parameters: manifest.parameters,
    initial: tensors,
    optimizer,
    versions: copies.versions,
    accumulates: microBatches * updateFrequency > 1,
    clipValue: clip !== undefined && "value" in clip ? clip.value : undefined,
  };
  const { engine = runtime.device === "cpu" ? "host" : "device" } = options;
  const slots = { ...copies, validation: VALIDATION_WINDOW };
  const opening = { runtime, stored: await fitted(runtime, stored), weights, slots, seed };
  const halves = await (engine === "host" ? openOnHost(opening) : openOnDevice(opening));
  const held = new WeightVersions(copies.versions);
  return {
    executor: halves.executor,
    weights: halves.weights,
    versions: held,
    tensors: async () =>
      new Map([
        ...await halves.weights.tensors(held.buffer),
        ...await halves.executor.statistics(),
      ]),
    rate: (update, calendar) => rateOf(settings, update, calendar),
    async [Symbol.asyncDispose]() {
      await halves.executor[Symbol.asyncDispose]();
      halves.weights[Symbol.dispose]();
      halves.memory?.[Symbol.dispose]();
    },
  };
}

/**
 * The stage with its graphs in the form that this machine runs fastest. Here and not where the plan
 * is made: the layout that fits is a property of the processor.
 */
async function fitted(runtime: Runtime, stored: StoredStage): Promise<StoredStage> {
  if (runtime.device !== "cpu") return stored;
  const { evaluate } = runtime;
  const samples = stored.manifest.batch;
  return { ...stored, models: await blockedModels(stored.models, { evaluate, samples }) };
}

async function openOnHost({ runtime, stored, slots, seed, ...o }: Opening): Promise<Halves> {
  const { manifest, tensors: statistics } = stored;
  const left = leaveRows(manifest, stored.models);
  const beside = bytesBeside(left, manifest.batch);
  const weights = new WeightStore({ ...o.weights, beside });
  const executor = await StageExecutor.open({
    runtime,
    manifest,
    models: left.models,
    rowsLeft: left,
    statistics,
    weights,
    slots,
    seed,
  });
  return { executor, weights };
}

async function openOnDevice({ runtime, stored, slots, seed, ...o }: Opening): Promise<Halves> {
  const { manifest, models, tensors: statistics } = stored;
  const memory = await runtime.deviceMemory();
  const weights = await DeviceWeights.open({ ...o.weights, memory });
  const executor = await DeviceExecutor.open({
    runtime,
    memory,
    manifest,
    models,
    statistics,
    weights,
    slots,
    seed,
  });
  return { executor, weights, memory };
}

function rateOf(settings: StageSettings, update: number, calendar: Calendar): number {
  return learningRate(settings.learningRate, settings.optimizer.lr, {
    update,
    epoch: calendar.epochOf(update),
    updates: calendar.updates,
    epochs: calendar.epochs,
  });
}
