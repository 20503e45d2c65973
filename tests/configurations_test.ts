/** Short trainings in many configurations: each trains, adds up, and ends in a model that fits. */
import assert from "node:assert/strict";
import { answer } from "./command_line.ts";
import { ownLoss, twoInputs } from "./custom_models.ts";
import { Project } from "./project.ts";
import type { Configuration, ProjectOptions } from "./project.ts";

/** Batches of 64 in an epoch of the digits. */
const BATCHES = 17;
const INDEXED = {
  train: { inputs: "x_train.npy", labels: "y_train_index.npy" },
  validation: { inputs: "x_val.npy", labels: "y_val_index.npy" },
};

interface Run {
  readonly losses: readonly number[];
  readonly accuracies: readonly number[];
  /** Accuracy of the trained model in plain ONNX Runtime, in percent. */
  readonly fused: number | undefined;
}

/** Runs `ravn train` in a planned project and reads what it leaves. */
async function train(project: Project, words: readonly string[] = []): Promise<Run> {
  const out = await project.succeed("train", "--json", "--force", ...words);
  const trained = JSON.parse(out.trimEnd().split("\n").at(-1)!);
  assert.equal(trained.event, "trained");
  const losses = await project.numbers("losses.txt");
  assert.ok(losses.every(Number.isFinite), `losses ${losses}`);
  const accuracies = await project.numbers("val_accuracies.txt");
  return { losses, accuracies, fused: trained.metrics?.accuracy };
}

/** Plans a project and trains it. */
async function trained(options: ProjectOptions, words: readonly string[] = []): Promise<Run> {
  await using project = await Project.make(options);
  await plan(project);
  return await train(project, words);
}

async function plan(project: Project, words: readonly string[] = []): Promise<void> {
  const { code, err } = await answer(project, ["clusterize", "--split", "params", ...words]);
  assert.equal(code, 0, err);
}

function assertFits({ accuracies, fused }: Run): void {
  assert.ok(Math.abs(fused! - accuracies.at(-1)!) <= 0.1, `${fused} % and ${accuracies}`);
}

/** Asserts that two runs computed the same, up to the order in which sums are taken. */
function assertSame(a: Run, b: Run, relative: number): void {
  assert.equal(a.losses.length, b.losses.length);
  a.losses.forEach((loss, i) => {
    const off = Math.abs(loss - b.losses[i]!) / loss;
    assert.ok(off <= relative, `losses ${loss} and ${b.losses[i]} of update ${i + 1}`);
  });
  a.accuracies.forEach((accuracy, i) => {
    assert.ok(Math.abs(accuracy - b.accuracies[i]!) <= 0.3, `${a.accuracies}; ${b.accuracies}`);
  });
}

Deno.test("1, 2, 4 and 5 stages train alike, and --set reaches every provider", async () => {
  for (const nodes of [1, 2, 4, 5]) {
    const run = await trained({ nodes }, ["--set", "epochs=2", "--set", "val_freq=10"]);
    assert.equal(run.losses.length, 2 * BATCHES, `${nodes} stages`);
    assert.equal(run.accuracies.length, 4, "after updates 10, 20, 30, and at the end");
    assert.ok(run.accuracies.at(-1)! > 40, `${nodes} stages: ${run.accuracies} %`);
    assertFits(run);
  }
});

Deno.test("what must not change the numbers does not: labels, recompute, sockets", async () => {
  const run = async (changes: Configuration) =>
    await trained({ configuration: { epochs: 1, threads: 1, ...changes } });
  const usual = await run({});
  assert.deepEqual(await run({ labels: "leaf", transport: "unix" }), usual);
  assertSame(await run({ recompute: "on", transport: "tcp" }), usual, 1e-5);
});

Deno.test("gpipe, 1f1b, zb: a pipeline's numbers are those of one process", async () => {
  const runs = [["gpipe", 3, "off"], ["1f1b", 5, "on"], ["zb", 4, "off"]] as const;
  for (const [schedule, nodes, recompute] of runs) {
    const configuration = { schedule, recompute, epochs: 1, threads: 1, micro_batches: 3 };
    await using project = await Project.make({ nodes, configuration });
    await plan(project);
    const [pipeline, single] = [await train(project), await train(project, ["--single"])];
    assert.equal(pipeline.losses.length, BATCHES);
    assertSame(pipeline, single, 1e-4);
    assertFits(pipeline);
    assertFits(single);
  }
});

Deno.test("update_frequency: gradients of four batches make an update", async () => {
  const configuration = { update_frequency: 4, epochs: 3, lr_schedule: { type: "cosine" } };
  const run = await trained({ configuration });
  assert.equal(run.losses.length, Math.ceil(3 * BATCHES / 4));
  assert.equal(run.accuracies.length, 4);
  assert.ok(run.losses.at(-1)! < run.losses[0]!, `losses ${run.losses}`);
  assertFits(run);
});

Deno.test("a residual net whose shortcuts go over cuts, with class indices and SGD", async () => {
  const configuration = {
    data: INDEXED,
    loss: { type: "cross_entropy", label_smoothing: 0.1 },
    optimizer: { type: "sgd", lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 1e-4 },
    lr_schedule: { type: "linear_warmup", warmup: 5, then: "cosine" },
    epochs: 4,
  };
  await using project = await Project.make({ model: "residual", nodes: 4, configuration });
  await plan(project);
  const run = await train(project);
  assert.ok(run.losses.at(-1)! < run.losses[0]! / 1.5, `losses ${run.losses}`);
  assertFits(run);
});

interface RootManifest {
  readonly outputs: readonly { readonly to: readonly { readonly stage: number }[] }[];
  readonly relays: readonly { readonly value: string; readonly to: readonly number[] }[];
}

async function rootManifest(project: Project): Promise<RootManifest> {
  const folder = `node_data/cluster_0/127.0.0.1:${project.ports[0]}`;
  return JSON.parse(await project.read(`${folder}/stage.json`));
}

Deno.test("two inputs, one of them for the last stage, and a shortcut over two cuts", async () => {
  const inputs = (part: string) => ({ image: `x_${part}.npy`, hint: `y_${part}.npy` });
  const configuration = {
    loss: "cross_entropy",
    schedule: "1f1b",
    epochs: 2,
    threads: 1,
    data: {
      train: { inputs: inputs("train"), labels: "y_train_index.npy" },
      validation: { inputs: inputs("val"), labels: "y_val_index.npy" },
    },
  };
  await using project = await Project.make({ nodes: 4, configuration });
  await project.write("model.onnx", twoInputs());
  await plan(project);
  const { outputs, relays } = await rootManifest(project);
  assert.deepEqual(outputs.map(({ to }) => to.map(({ stage }) => stage)), [[1, 3]]);
  assert.deepEqual(relays.map(({ value, to }) => [value, ...to]), [["hint", 3], [
    "ravn.labels",
    3,
  ]]);
  const [pipeline, single] = [await train(project), await train(project, ["--single"])];
  assertSame(pipeline, single, 1e-4);
  assert.ok(pipeline.losses.at(-1)! < pipeline.losses[0]!);
  assertFits(pipeline);
});

Deno.test("a model that computes its own loss", async () => {
  const inputs = (part: string) => ({ image: `x_${part}.npy`, target: `y_${part}.npy` });
  const configuration = {
    loss: { output: "loss" },
    optimizer: { type: "adamw", lr: 0.01 },
    schedule: "gpipe",
    epochs: 2,
    threads: 1,
    data: { train: { inputs: inputs("train") }, validation: { inputs: inputs("val") } },
  };
  await using project = await Project.make({ configuration });
  await project.write("model.onnx", ownLoss());
  await plan(project);
  const [pipeline, single] = [await train(project), await train(project, ["--single"])];
  assertSame(pipeline, single, 1e-4);
  assert.ok(Math.abs(pipeline.losses[0]! - 0.09) < 0.01, `first loss ${pipeline.losses[0]}`);
  assert.ok(pipeline.losses.at(-1)! < 0.05, `last loss ${pipeline.losses.at(-1)}`);
  assert.deepEqual([pipeline.accuracies, pipeline.fused], [[], undefined]);
});
