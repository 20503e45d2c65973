/**
 * Training of two clusters, one node each, that average every 10 updates while they go on, against
 * the same without averages, in milliseconds an update.
 */
import { interleave, report } from "./interleave.ts";
import { TrainingProject } from "./training_project.ts";

const BENCH = "overlap/reduce";
const UPDATES = 600;
const ROUNDS = 9;
/**
 * Both hardly learn, so that they compute with the same numbers: networks that learned at a pace of
 * their own differed by up to 1.14 times over 1,000 updates, whatever the averages cost.
 */
const PROBLEM = {
  model: "lenet",
  batch: 64,
  samples: 2560,
  keys: ["threads: 1", `max_updates: ${UPDATES}`, "optimizer: {type: adam, lr: 1.0e-12}"],
};

async function main(): Promise<void> {
  await using project = await TrainingProject.make(PROBLEM, 2);
  await project.ravn("clusterize", "--clusters", "0;1");
  // The last update is followed by an average either way.
  const train = async (every: number) => {
    const { step_ms } = await project.train("--set", `reduce_every=${every}`);
    return step_ms;
  };
  const found = await interleave(() => train(10), () => train(UPDATES), {
    rounds: ROUNDS,
    warmup: 1,
  });
  report({ bench: BENCH, ...found, peer_name: "no averages", unit: "ms" });
}

if (import.meta.main) await main();
