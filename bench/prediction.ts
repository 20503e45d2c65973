/**
 * The step time that a plan predicts against the one that training in real processes takes once it
 * is warm, for one to four stages on this machine. The argument names the bench.
 */
import { join } from "node:path";
import type { Explanation } from "../core/planning/mod.ts";
import { median, report } from "./interleave.ts";
import { TrainingProject } from "./training_project.ts";
import type { ProjectProblem } from "./training_project.ts";

const ROUNDS = Number(Deno.env.get("RAVN_BENCH_ROUNDS") ?? 3);

/** The perceptron has three layers, and so three stages at most. */
const PROBLEMS: Readonly<Record<string, ProjectProblem & { readonly stages: number }>> = {
  digits_cnn: {
    model: "digits_cnn",
    batch: 64,
    samples: 6400,
    keys: ["max_updates: 4000"],
    stages: 4,
  },
  mlp: { model: "mlp", batch: 128, samples: 2560, keys: ["max_updates: 500"], stages: 3 },
  gpt: { model: "gpt_micro", batch: 8, samples: 160, keys: ["max_updates: 120"], stages: 4 },
};

/** What one plan says, and what its training takes. */
interface Pair {
  readonly predicted_ms: number;
  readonly measured_ms: number;
}

/** Plans anew, so that the prediction and the run meet the machine in the same state. */
async function compare(project: TrainingProject): Promise<Pair> {
  await Deno.remove(join(project.folder, "node_data", "calibration.json")).catch(() => {});
  const text = await project.ravn("clusterize", "--clusters", "1", "--explain", "--json");
  const { prediction } = JSON.parse(text) as Pick<Explanation, "prediction">;
  const { steady_ms } = await project.train();
  return { predicted_ms: prediction.clusters[0]!.step_ms, measured_ms: steady_ms };
}

async function main(bench: string): Promise<void> {
  const problem = PROBLEMS[bench.slice("prediction/".length)];
  if (problem === undefined) throw new Error(`no bench "${bench}" here`);
  await using projects = new AsyncDisposableStack();
  const runs: { stages: number; project: TrainingProject; pairs: Pair[] }[] = [];
  for (let stages = 1; stages <= problem.stages; stages++) {
    const project = projects.use(await TrainingProject.make(problem, stages));
    runs.push({ stages, project, pairs: [] });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { project, pairs } of runs) pairs.push(await compare(project));
  }
  for (const { stages, pairs } of runs) {
    report({
      bench,
      ratio: median(pairs.map((pair) => pair.predicted_ms / pair.measured_ms)),
      ours: median(pairs.map((pair) => pair.predicted_ms)),
      peer: median(pairs.map((pair) => pair.measured_ms)),
      peer_name: `measured with ${stages === 1 ? "1 stage" : `${stages} stages`}`,
      unit: "ms",
    });
  }
}

if (import.meta.main) await main(Deno.args[0] ?? "prediction/digits_cnn");
