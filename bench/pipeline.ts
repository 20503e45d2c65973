/**
 * Training throughput of three providers on this machine against one process that has the same
 * cores. The argument names the bench.
 */
import { interleave, report } from "./interleave.ts";
import { STEP_PROBLEMS } from "./step_problems.ts";
import { TrainingProject } from "./training_project.ts";
import type { ProjectProblem } from "./training_project.ts";

const PROVIDERS = 3;
const ROUNDS = 5;
/** Micro-batches of a batch in the synchronous schedule. */
const MICRO_BATCHES = 8;

interface Problem extends ProjectProblem {
  /** What the bubbles of a synchronous schedule leave where every stage has cores of its own. */
  readonly ideal?: number;
}

/** The transformer of `step/gpt`, with `batch` samples in a batch. */
function gpt(batch: number, keys: readonly string[] = []): Problem {
  const { build, classes, below, labels } = STEP_PROBLEMS["gpt"]!;
  const model = {
    graph: build({ seed: 1 }),
    input: { shape: labels!, below: below!["input"]! },
    labels: { shape: labels!, below: classes },
    loss: "cross_entropy",
  };
  return { model, batch, samples: 512, keys: ["epochs: 1", ...keys] };
}

/**
 * With more in flight than there are stages, one has work while another waits for a core or a
 * message.
 */
const PROBLEMS: Readonly<Record<string, () => Problem>> = {
  "pipeline/digits_cnn": () => ({
    ...{ model: "digits_cnn", batch: 64, samples: 1078 },
    keys: ["epochs: 200"],
  }),
  "pipeline/mlp": () => ({
    ...{ model: "mlp", batch: 128, samples: 2560 },
    keys: ["epochs: 40", "in_flight: 5"],
  }),
  "pipeline/gpt": () => gpt(8, ["in_flight: 5"]),
  "pipeline/gpt_1f1b": () => ({
    ...gpt(8 * MICRO_BATCHES, ["schedule: 1f1b", `micro_batches: ${MICRO_BATCHES}`]),
    ideal: MICRO_BATCHES / (MICRO_BATCHES + PROVIDERS - 1),
  }),
};

async function main(bench: string): Promise<void> {
  const problem = PROBLEMS[bench]?.();
  if (problem === undefined) throw new Error(`no bench "${bench}" here`);
  await using project = await TrainingProject.make(problem, PROVIDERS);
  await project.ravn("clusterize", "model.onnx");
  const found = await interleave(
    async () => 1000 / (await project.train()).step_ms,
    async () => 1000 / (await project.train("--single")).step_ms,
    { rounds: ROUNDS, warmup: 1 },
  );
  const { ideal } = problem;
  const line = { bench, ...found, peer_name: "one process", unit: "updates/s" };
  report(ideal === undefined ? line : { ...line, ideal });
}

if (import.meta.main) await main(Deno.args[0] ?? "pipeline/digits_cnn");
