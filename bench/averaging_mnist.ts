/**
 * What fewer and smaller averages cost: two clusters learn 8,000 images of MNIST, once with an
 * average after each update, once every 100 updates with the outer optimizer and int8. The ratio is
 * that of the bytes; both accuracies stand beside it.
 */
import { join } from "node:path";
import { parseEvent } from "../core/run/events.ts";
import { report } from "./interleave.ts";
import { mnistSplit } from "./mnist_split.ts";
import { TrainingProject } from "./training_project.ts";

const BENCH = "averaging/mnist";
const EPOCHS = 8;
const PROBLEM = { model: "lenet", batch: 64, samples: 64 };

/** Keys of `ravn.yaml` in place of what the project has. */
const EVERY = ["reduce_every=1"];
const SELDOM = ["reduce_every=100", "outer=nesterov", "compression.averaging=int8"];

interface Found {
  /** Sent by all nodes to average. */
  readonly bytes: number;
  /** At the end, in percent. */
  readonly accuracy: number;
}

async function train(project: TrainingProject, keys: readonly string[]): Promise<Found> {
  const text = await project.ravn("train", "--json", ...keys.flatMap((key) => ["--set", key]));
  let [bytes, accuracy] = [0, NaN];
  for (const line of text.split("\n")) {
    const event = parseEvent(line);
    if (event?.event === "average") bytes += event.bytes_sent;
    if (event?.event === "validation") accuracy = event.accuracy ?? NaN;
  }
  return { bytes, accuracy };
}

async function main(): Promise<void> {
  await using project = await TrainingProject.make(PROBLEM, 2);
  const data = await mnistSplit(project.folder);
  if ("skipped" in data) return report({ bench: BENCH, ...data });
  const config = [
    "model: model.onnx",
    "loss: cross_entropy",
    "optimizer: adam",
    `batch_size: ${PROBLEM.batch}`,
    `epochs: ${EPOCHS}`,
    "threads: 1",
    "save: false",
    `data: ${JSON.stringify(data)}`,
  ];
  await Deno.writeTextFile(join(project.folder, "ravn.yaml"), config.join("\n"));
  await project.ravn("clusterize", "--clusters", "0;1", "--split", "params");
  const every = await train(project, EVERY);
  const seldom = await train(project, SELDOM);
  report({
    bench: BENCH,
    ratio: every.bytes / seldom.bytes,
    ours: seldom.bytes,
    peer: every.bytes,
    peer_name: "an average after each update",
    unit: "bytes",
    accuracy: { ours: seldom.accuracy, peer: every.accuracy },
  });
}

if (import.meta.main) await main();
