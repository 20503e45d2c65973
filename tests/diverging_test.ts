/** A loss that is no number any more: the run stops, and every provider says at which step. */
import assert from "node:assert/strict";
import { assertOneLine } from "./assertions.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";

const DIVERGING: Configuration = { optimizer: { type: "adam", lr: 1e30 }, epochs: 3 };
const DIVERGED = /the loss became (NaN|-?Infinity) at update (\d+) \(epoch 1, batch (\d+)\): try a/;

Deno.test("providers: the leaf names the step, the others repeat it, all end", async () => {
  await using project = await Project.make({ configuration: DIVERGING });
  await project.succeed("clusterize", "--split", "ravnest");
  const endings = await Promise.all([0, 1, 2].map((node) => project.provide(node).ended));
  const steps = endings.map((ending, node) => {
    assert.equal(ending.code, 1, ending.err);
    const line = assertOneLine(ending);
    assert.match(line, node === 2 ? /^ravn: node_2: the loss/ : /node_\d at .* ended the run: /);
    const [, , update, batch] = DIVERGED.exec(line)!;
    assert.equal(update, batch);
    return Number(update);
  });
  assert.deepEqual(new Set(steps).size, 1);
  const losses = await project.numbers("losses.txt");
  assert.equal(losses.length, steps[0]! - 1, "every line is a finite loss");
  assert.ok(losses.every(Number.isFinite));
});

Deno.test("train: one line with the step, no trained model", async () => {
  await using project = await Project.make({ configuration: DIVERGING });
  await project.succeed("clusterize", "--split", "ravnest");
  for (const words of [["train"], ["train", "--single"]]) {
    const ending = await project.run(...words);
    assert.equal(ending.code, 1);
    assert.match(assertOneLine(ending), DIVERGED);
    const files = await project.files();
    assert.ok(!files.some((name) => /(^|\/)trained/.test(name)), files.join("\n"));
  }
});
