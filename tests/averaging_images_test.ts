/**
 * Two clusters that average seldom and in few bytes learn as well as two that average all the time.
 * The images are MNIST's, where `RAVN_MNIST` names the folder with its test set; else there is
 * nothing to compare, since made-up images are learned at once.
 */
import assert from "node:assert/strict";
import { MNIST_VARIABLE, mnistSplit } from "../bench/mnist_split.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";

const HERE = Deno.env.get(MNIST_VARIABLE) !== undefined;

/** What a run sent to average, in bytes of all nodes, and its accuracy at the end. */
async function train(configuration: Configuration): Promise<{ bytes: number; accuracy: number }> {
  await using project = await Project.make({ model: "lenet", nodes: 2 });
  const data = await mnistSplit(project.folder);
  const common = { loss: "cross_entropy", optimizer: "adam", epochs: 4, threads: 1, save: false };
  await project.configure({ ...common, data, ...configuration });
  await project.succeed("clusterize", "--clusters", "0;1", "--split", "params");
  const out = await project.succeed("train", "--json");
  const events = out.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  return {
    bytes: events.filter(({ event }) => event === "average")
      .reduce((sum, { bytes_sent }) => sum + bytes_sent, 0),
    accuracy: events.filter(({ event }) => event === "validation").at(-1).accuracy,
  };
}

Deno.test({
  name: `100 × fewer bytes for 1 point of accuracy at most${HERE ? "" : " (no RAVN_MNIST)"}`,
  ignore: !HERE,
  fn: async () => {
    const every = await train({ reduce_every: 1 });
    const compression = { averaging: "int8" };
    const seldom = await train({ reduce_every: 100, outer: "nesterov", compression });
    assert.ok(every.bytes >= 100 * seldom.bytes, `${every.bytes} and ${seldom.bytes} bytes`);
    assert.ok(every.accuracy > 95, `${every.accuracy} %`);
    assert.ok(seldom.accuracy >= every.accuracy - 1, `${seldom.accuracy}, ${every.accuracy} %`);
  },
});
