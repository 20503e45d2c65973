/** The example networks for MNIST's images, which are read as MNIST is published: idx, gzipped. */
import assert from "node:assert/strict";
import { answer } from "./command_line.ts";
import { idxImages } from "./idx_images.ts";
import { Project } from "./project.ts";

for (const [model, nodes, micro_batches] of [["lenet", 2, 1], ["mlp", 3, 2]] as const) {
  Deno.test(`${model} learns images in idx files, over ${nodes} stages`, async () => {
    await using project = await Project.make({ model, nodes });
    const { images, labels, count } = await idxImages(project.folder);
    const files = { inputs: images, labels };
    await project.configure({
      loss: "cross_entropy",
      schedule: micro_batches === 1 ? "async" : "gpipe",
      micro_batches,
      threads: 1,
      optimizer: { type: "adam", lr: 1e-3 },
      epochs: 100,
      data: { train: files, validation: files },
    });
    const planned = await answer(project, ["clusterize", "--split", "params"]);
    assert.equal(planned.code, 0, planned.err);
    const epochs = count > 1000 ? 2 : 8;
    await project.succeed("train", "--set", `epochs=${epochs}`);
    const lines = await project.lines("losses.txt");
    assert.equal(lines.length, epochs * Math.ceil(count / 64));
    const accuracies = await project.numbers("val_accuracies.txt");
    assert.ok(accuracies.at(-1)! > 90, `accuracies ${accuracies}`);
    const eval_ = await answer(project, ["eval", "trained/trained.onnx", "--json"]);
    const { samples, accuracy } = JSON.parse(eval_.out);
    assert.equal(samples, count);
    assert.ok(Math.abs(accuracy - accuracies.at(-1)!) <= 0.1, `${accuracy} %, fused`);
  });
}
