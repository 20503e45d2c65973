/**
 * Training throughput under `zb` against `1f1b`: two providers on this machine, with a thread each.
 * The argument names the bench.
 */
import { interleave, report } from "./interleave.ts";
import { TrainingProject } from "./training_project.ts";

const ROUNDS = 5;
const STAGES = 2;
const MICRO_BATCHES = 4;
const BATCH = 512;
const UPDATES = 40;

async function main(bench: string): Promise<void> {
  await using projects = new AsyncDisposableStack();
  const planned = async (schedule: string) => {
    const keys = [
      `schedule: ${schedule}`,
      `micro_batches: ${MICRO_BATCHES}`,
      `max_updates: ${UPDATES}`,
      "threads: 1",
    ];
    const problem = { model: "mlp", batch: BATCH, samples: 4 * BATCH, keys };
    const project = projects.use(await TrainingProject.make(problem, STAGES));
    await project.ravn("clusterize", "model.onnx", "--split", "params");
    return async () => BATCH * 1000 / (await project.train()).step_ms;
  };
  const [zb, plain] = [await planned("zb"), await planned("1f1b")];
  const found = await interleave(zb, plain, { rounds: ROUNDS, warmup: 1 });
  report({ bench, ...found, peer_name: "1f1b", unit: "samples/s" });
}

if (import.meta.main) await main(Deno.args[0] ?? "pipeline/zb");
