import { byteCount, dimsAt, elementCount } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import type { Runtime } from "../runtime/mod.ts";
import type { OptimizerConfig, Port, StageManifest, StageProgram } from "../training/mod.ts";
import type { Link } from "../../transport/mod.ts";
import type { BatchSource } from "./batch_source.ts";
import { openStage } from "./open_stage.ts";
import type { StageSettings } from "./open_stage.ts";
import { storedStage } from "./stage_files.ts";
import type { StageObserver } from "./stage_observer.ts";
import { StageRun } from "./stage_run.ts";

/** A stage that is trained on made-up data. */
export interface MadeUpStage {
  readonly program: StageProgram;
  readonly observer: StageObserver;
  /** Links to the other stages in this process, by stage. */
  readonly links?: ReadonlyMap<number, Link>;
}

/**
 * Trains the stages of a model in this process, on made-up data and by the code that trains in
 * earnest. The learning rate is 0: nothing is learned. One batch is under way at a time, so that
 * stages take turns.
 *
 * @param updates batches, each of which makes an update
 */
export async function trainMadeUp(
  runtime: Runtime,
  stages: readonly MadeUpStage[],
  { optimizer, updates, signal = new AbortController().signal }: {
    readonly optimizer: OptimizerConfig;
    readonly updates: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const settings = settingsOf(optimizer);
  await using opened = new AsyncDisposableStack();
  const { manifest: root } = stages[0]!.program;
  const samples = updates * root.batch;
  const runs: StageRun[] = [];
  for (const [s, { program, observer, links = new Map() }] of stages.entries()) {
    const { executor, weights, versions } = opened.use(
      await openStage(runtime, storedStage(program), settings),
    );
    runs.push(
      new StageRun({
        ...{ node: "this process", manifest: program.manifest, executor, weights, versions },
        ...{ settings, links, observer, rate: () => 0, signal },
        ...(s === 0 ? { source: new MadeUpSource(samples, root) } : {}),
      }),
    );
  }
  const terms = {
    run_id: "calibration",
    settings,
    shape: {
      ...{ epochs: 1, samples, batch_size: root.batch, micro_batches: 1, update_frequency: 1 },
      ...{ validation_samples: 0, validation_every: 0 },
    },
  };
  await Promise.all(runs.map((run, s) => run.run(s === 0 ? terms : undefined)));
  await Promise.all(runs.map((run) => run.leave()));
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

/**
 * Data that costs little to read: uniform from 0 to 1 for floats, and zeros and ones for the rest,
 * which all classes, words and masks allow. Equal values could be kinder to kernels than real ones.
 */
class MadeUpSource implements BatchSource {
  readonly validationSamples = 0;
  readonly #made: ReadonlyMap<string, Uint8Array>;

  constructor(
    readonly samples: number,
    { inputs, relays, batch }: StageManifest,
  ) {
    const random = new Random(1);
    const ports: readonly Port[] = [...inputs, ...relays];
    this.#made = new Map(ports.map((port) => [port.value, madeUp(port, batch, random)]));
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
