/**
 * The share of a training run's time in which the root waits for its data: ResNet-18 on a folder of
 * 64×64 jpegs, each cut, scaled, mirrored and normalised anew on worker threads.
 */
import { autoWorkers } from "../core/data/mod.ts";
import { dataMake } from "../core/run/data_make.ts";
import type { OpenStage } from "../core/run/open_stage.ts";
import { RunData } from "../core/run/run_data.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { LABELS } from "../core/training/mod.ts";
import type { Port } from "../core/training/mod.ts";
import { openProblem, STEP_PROBLEMS, stepper } from "./step_problems.ts";

const PICTURES = 256;
const THREADS = 2;
/** Steps before the clock runs: threads start, ONNX Runtime plans its memory. */
const WARMUP = 4;
const STEPS = 24;

const PROBLEM = STEP_PROBLEMS["resnet18"]!;

const PORTS: readonly Port[] = [
  { value: "input", dtype: "float32", dims: [{ perSample: 1 }, 3, 64, 64] },
  { value: LABELS, dtype: "int64", dims: [{ perSample: 1 }], classes: PROBLEM.classes },
];

async function openFolder(folder: string): Promise<RunData> {
  await dataMake({
    ...{ kind: "tiny_imagenet", out: folder, samples: PICTURES, classes: 4, length: 0 },
    ...{ seed: 1, force: false },
  });
  return await RunData.open(PORTS, {
    train: {
      images: `${folder}/train`,
      labels: "folder",
      transform: [
        { type: "random_resized_crop", size: 64, scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
        { type: "horizontal_flip", p: 0.5 },
        { type: "normalise", mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
      ],
    },
    shuffle: true,
    workers: "auto",
    seed: 1,
  });
}

/** Reads and trains on `steps` batches from batch `first`; times in milliseconds. */
async function train(
  source: RunData,
  { executor }: OpenStage,
  step: () => Promise<void>,
  { first, steps }: { readonly first: number; readonly steps: number },
): Promise<{ waited: number; total: number }> {
  const { batch } = PROBLEM;
  const perEpoch = Math.floor(source.samples / batch);
  let waited = 0;
  const begun = performance.now();
  for (let i = first; i < first + steps; i++) {
    const asked = performance.now();
    const at = { epoch: Math.floor(i / perEpoch), start: (i % perEpoch) * batch, samples: batch };
    await source.ready(at);
    for (const { value } of PORTS) source.fill(value, at, executor.input(0, value, batch));
    waited += performance.now() - asked;
    await step();
  }
  return { waited, total: performance.now() - begun };
}

async function main(bench: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ravn-bench-" });
  try {
    using source = await openFolder(folder);
    using runtime = Runtime.open({ threads: THREADS });
    await using stage = await openProblem(runtime, PROBLEM);
    const step = stepper(stage, PROBLEM.batch);
    await train(source, stage, step, { first: 0, steps: WARMUP });
    const { waited, total } = await train(source, stage, step, { first: WARMUP, steps: STEPS });
    const line = {
      bench,
      waited_share: waited / total,
      step_ms: total / STEPS,
      waited_ms: waited / STEPS,
      pictures_per_s: STEPS * PROBLEM.batch / total * 1000,
      workers: autoWorkers(),
    };
    Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main(Deno.args[0] ?? "data/wait");
