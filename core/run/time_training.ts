import process from "node:process";
import { byteCount, dimsAt, elementCount } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import type { Runtime } from "../runtime/mod.ts";
import type { OptimizerConfig, Port, StageManifest, StageProgram } from "../training/mod.ts";
import type { BatchSource } from "./batch_source.ts";
import { openStage } from "./open_stage.ts";
import type { StageSettings } from "./open_stage.ts";
import { storedStage } from "./stage_files.ts";
import { StageRun } from "./stage_run.ts";

/** Updates before those that count: kernels are chosen, code is compiled. */
const WARM_UP = 4;

/** What a training step of a stage takes, ms: medians over some steps. */
export interface TrainingTime {
  /** Forward, loss and backward of a micro-batch, with all that is done around them. */
  readonly step_ms: number;
  readonly update_ms: number;
  /** Processor time of both, over all threads of the process. */
  readonly core_ms: number;
}

/** What `timeTraining` times. */
export interface TimedTraining {
  readonly runtime: Runtime;
  /** A model of one stage. */
  readonly program: StageProgram;
  readonly optimizer: OptimizerConfig;
  /** Updates that count. */
  readonly updates: number;
  /** Time before each micro-batch in which nothing is done, as in a stage that waits; absent: 0. */
  readonly idle_ms?: number;
  /** Called when the updates begin that count. */
  readonly warm?: () => void;
}

/**
 * Trains a model of one stage for a few updates on made-up data, by the code that trains in
 * earnest, and tells how long they take. The learning rate is 0: nothing is learned.
 */
export async function timeTraining(o: TimedTraining): Promise<TrainingTime> {
  const { runtime, program, optimizer } = o;
  const { manifest } = program;
  const settings = settingsOf(optimizer);
  const updates = WARM_UP + o.updates;
  await using stage = await openStage(runtime, storedStage(program), settings);
  const laps: TrainingTime[] = [];
  let begun_ms = 0;
  let stepped_ms = 0;
  let used = process.cpuUsage();
  const run = new StageRun({
    node: "this process",
    manifest,
    executor: stage.executor,
    weights: stage.weights,
    versions: stage.versions,
    rate: () => 0,
    settings,
    links: new Map(),
    source: new MadeUpSource(updates * manifest.batch, manifest, o.idle_ms),
    signal: new AbortController().signal,
    observer: {
      begun: () => void (begun_ms = performance.now()),
      loss: () => void (stepped_ms = performance.now()),
      updated: () => {
        const now_ms = performance.now();
        const { user, system } = process.cpuUsage(used);
        laps.push({
          step_ms: stepped_ms - begun_ms,
          update_ms: now_ms - stepped_ms,
          core_ms: (user + system) / 1000,
        });
        if (laps.length === WARM_UP) o.warm?.();
        used = process.cpuUsage();
        begun_ms = performance.now();
      },
    },
  });
  await run.run({
    run_id: "calibration",
    settings,
    shape: {
      epochs: 1,
      samples: updates * manifest.batch,
      batch_size: manifest.batch,
      micro_batches: 1,
      update_frequency: 1,
      validation_samples: 0,
      validation_every: 0,
    },
  });
  const counted = laps.slice(WARM_UP);
  const median = (of: (lap: TrainingTime) => number) =>
    counted.map(of).sort((a, b) => a - b)[counted.length >> 1]!;
  return {
    step_ms: median((lap) => lap.step_ms),
    update_ms: median((lap) => lap.update_ms),
    core_ms: median((lap) => lap.core_ms),
  };
}

function settingsOf(optimizer: OptimizerConfig): StageSettings {
  return {
    schedule: "async",
    inFlight: 1,
    microBatches: 1,
    updateFrequency: 1,
    optimizer,
    learningRate: { type: "constant" },
    seed: 1,
  };
}

/** Does nothing for a while. */
export function idle(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Data that costs little to read: uniform from 0 to 1 for floats, and zeros and ones for the rest,
 * which all classes, words and masks allow. Equal values could be kinder to kernels than real ones.
 */
class MadeUpSource implements BatchSource {
  readonly validationSamples = 0;
  readonly #made: ReadonlyMap<string, Uint8Array>;
  readonly #idle_ms: number;

  constructor(
    readonly samples: number,
    { inputs: ports, batch }: Pick<StageManifest, "inputs" | "batch">,
    idle_ms = 0,
  ) {
    this.#idle_ms = idle_ms;
    const random = new Random(1);
    this.#made = new Map(ports.map((port) => [port.value, madeUp(port, batch, random)]));
  }

  ready(): Promise<void> | undefined {
    return this.#idle_ms === 0 ? undefined : idle(this.#idle_ms);
  }

  fill(value: string, _at: unknown, target: Uint8Array): void {
    target.set(this.#made.get(value)!);
  }

  fillValidation(): void {}
}

/** The bytes of a batch. */
function madeUp({ dtype, dims }: Port, batch: number, random: Random): Uint8Array {
  const size = dimsAt(dims, batch);
  const count = elementCount(size);
  if (dtype === "float32") {
    return new Uint8Array(Float32Array.from({ length: count }, () => random.uniform()).buffer);
  }
  const bytes = new Uint8Array(byteCount(dtype, size));
  // The lowest byte of a whole number comes first.
  const width = bytes.length / count;
  for (let i = 0; i < count; i++) bytes[i * width] = random.integer(2);
  return bytes;
}
