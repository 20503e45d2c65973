/** Several losses, clipped gradients, groups and frozen parameters, as their users use them. */
import assert from "node:assert/strict";
import { readModel } from "../core/onnx/mod.ts";
import { parseEvent } from "../core/run/events.ts";
import { answer } from "./command_line.ts";
import { twoOutputs } from "./custom_models.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";

const files = (part: string) => ({
  inputs: `x_${part}.npy`,
  labels: { class: `y_${part}_index.npy`, pixels: `x_${part}.npy` },
});

const CONFIGURATION: Configuration = {
  loss: [
    { type: "huber", labels: "pixels", weight: 0.05, delta: 2 },
    { type: "cross_entropy", output: "digit", labels: "class", ignore_index: 9 },
  ],
  optimizer: {
    type: "adamw",
    lr: 0.02,
    groups: [{ match: "*.bias", weight_decay: 0, lr: 0.01 }],
  },
  lr_schedule: { type: "one_cycle" },
  clip: { norm: 2 },
  freeze: ["decoder1.*"],
  schedule: "1f1b",
  epochs: 3,
  data: { train: files("train"), validation: files("val") },
};

async function make(changes: Configuration = {}): Promise<Project> {
  return await Project.make(
    { configuration: { ...CONFIGURATION, ...changes } },
    (project) => project.write("model.onnx", twoOutputs()),
  );
}

async function train(project: Project, words: readonly string[] = []) {
  const out = await project.succeed("train", "--json", "--force", ...words);
  const last = JSON.parse(out.trimEnd().split("\n").at(-1)!);
  const events = (await project.lines("metrics.jsonl")).map(parseEvent);
  return {
    validations: events.flatMap((event) => event?.event === "validation" ? [event.loss] : []),
    losses: await project.numbers("losses.txt"),
    accuracies: await project.numbers("val_accuracies.txt"),
    metrics: last.metrics,
  };
}

Deno.test("two losses of two outputs train over three processes as in one", async () => {
  await using project = await make();
  const { code, err } = await answer(project, ["clusterize", "--split", "params"]);
  assert.equal(code, 0, err);
  const pipeline = await train(project);
  const file = project.path("trained", "trained.onnx");
  const trained = readModel(await Deno.readFile(file), { file });
  const single = await train(project, ["--single"]);
  pipeline.losses.forEach((loss, i) => {
    const off = Math.abs(loss - single.losses[i]!) / loss;
    assert.ok(off < 1e-3, `update ${i + 1}: ${loss} and ${single.losses[i]}`);
  });
  assert.ok(pipeline.losses.at(-1)! < 0.6 * pipeline.losses[0]!, `${pipeline.losses}`);
  assert.ok(pipeline.accuracies.at(-1)! > 80, `${pipeline.accuracies}`);
  // Sevens to nines that are ignored are not counted in either.
  assert.ok(Math.abs(pipeline.metrics.accuracy - pipeline.accuracies.at(-1)!) < 0.1);
  // One mean over all but the nines, however they lie in the batches.
  for (const { validations, metrics } of [pipeline, single]) {
    const off = Math.abs(validations.at(-1)! - metrics.loss) / metrics.loss;
    assert.ok(off < 1e-5, `${validations.at(-1)} while training, ${metrics.loss} evaluated`);
  }
  const before = readModel(twoOutputs(), { file: "before" }).initializers;
  for (const [name, { bytes }] of before) {
    const changed = !trained.initializers.get(name)!.bytes.every((byte, i) => byte === bytes[i]);
    assert.equal(changed, !/^(decoder1|range)/.test(name), name);
  }
});

Deno.test("what does not fit the model or the data is told in one line", async () => {
  const refused = async (changes: Configuration, message: RegExp) => {
    await using project = await make(changes);
    const { code, err } = await answer(project, ["clusterize", "--split", "params"]);
    assert.notEqual(code, 0);
    assert.match(err, message);
    assert.equal(err.trimEnd().split("\n").length, 1, err);
  };
  const entropy = { type: "cross_entropy", output: "digit" };
  await refused(
    { loss: [entropy] },
    /loss cross_entropy: expected labels: name, .*"class", "pixels"/,
  );
  await refused(
    { loss: [{ ...entropy, labels: "classes" }] },
    /no labels "classes"; expected one of/,
  );
  await refused(
    { loss: [{ ...entropy, output: "digits", labels: "class" }] },
    /no output "digits"/,
  );
  await refused(
    { loss: [{ ...entropy, labels: "class", weights: [1, 2] }] },
    /weights has 2 values/,
  );
  await refused({ freeze: ["decoder3.*"] }, /freeze: no parameter .* nearest are "decoder/);
  const groups = [{ match: ["*.gamma"], weight_decay: 0 }];
  await refused(
    { optimizer: { type: "adam", groups } },
    /optimizer\.groups\.0\.match: no parameter/,
  );
  await refused({ schedule: "async" }, /clip: the norm over all stages is not known/);
});
