/** Training on a folder of pictures, which are decoded and transformed on worker threads. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { dataMake } from "../core/run/data_make.ts";
import { answer } from "./command_line.ts";
import { Project } from "./project.ts";

const TRANSFORM = [
  "grey",
  { type: "random_resized_crop", size: 8, scale: [0.5, 1] },
  "horizontal_flip",
  "scale",
];
const UPDATES = 12;

/** A project over 48 pictures of 4 classes, the small residual network cut into three stages. */
async function pictureProject(): Promise<Project> {
  const project = await Project.make({ model: "residual", nodes: 3 });
  await dataMake({
    ...{ kind: "pictures", out: project.folder, samples: 48, classes: 4, length: 0 },
    ...{ seed: 1, force: false },
  });
  await project.configure({
    loss: "cross_entropy",
    schedule: "1f1b",
    micro_batches: 2,
    threads: 1,
    batch_size: 8,
    epochs: 2,
    optimizer: { type: "sgd", lr: 0.01 },
    data: {
      train: { images: "train", labels: "folder", transform: TRANSFORM },
      validation: {
        images: "val",
        labels: "folder",
        transform: [{ type: "resize", size: 8 }, "grey", "scale"],
      },
    },
  });
  return project;
}

Deno.test("three stages see the pictures that one process sees", async () => {
  await using project = await pictureProject();
  await Deno.writeTextFile(join(project.folder, "train", "class_2", "6.png"), "no picture");
  const skip = ["--set", "data.train.on_error=skip"];
  const stopped = await answer(project, ["train", "--single"]);
  assert.equal(stopped.code, 1);
  assert.match(stopped.err, /class_2\/6\.png: is no picture that ravn reads; expected png or jpeg/);
  const single = await answer(project, ["train", "--single", ...skip]);
  assert.equal(single.code, 0, single.err);
  assert.match(single.err, /warning: .*class_2\/6\.png/);
  const expected = await project.numbers("losses.txt");
  const planned = await answer(project, ["clusterize", "--split", "params"]);
  assert.equal(planned.code, 0, planned.err);
  await project.succeed("train", "--force", ...skip);
  const losses = await project.numbers("losses.txt");
  assert.equal(losses.length, UPDATES);
  losses.forEach((loss, i) => assert.ok(Math.abs(loss - expected[i]!) <= 1e-5 * expected[i]!));
});
