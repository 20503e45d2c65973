import assert from "node:assert/strict";
import { Project } from "./project.ts";

Deno.test("plan writes nothing, and agrees with clusterize where all is measured", async () => {
  await using project = await Project.make({ nodes: 2 });
  const before = await project.snapshot();
  await project.succeed("plan");
  assert.deepEqual(await project.snapshot(), before);
  const written = JSON.parse(await project.succeed("clusterize", "--explain", "--json"));
  assert.ok(written.files.length > 0 && written.prediction.samples_per_s > 0);
  const words = ["plan", "--diff", "node_data/plan.json"];
  assert.match(await project.succeed(...words), /\nthe same plan as node_data\/plan\.json\n/);
  const planned = JSON.parse(await project.succeed(...words, "--json"));
  assert.deepEqual(planned.plan, written.plan);
  assert.deepEqual(planned.prediction, written.prediction);
  assert.deepEqual(planned.changes, written.changes);
  const other = await project.succeed(...words, "--clusters", "0;1", "--split", "params");
  assert.match(other, /split: time → params/);
  assert.match(other, /cluster 1: not there → /);
});

Deno.test("a plan that is none is refused in one line", async () => {
  await using project = await Project.make({ nodes: 2 });
  for (const [name, text] of [["none.json", undefined], ["bad.json", "{}"]] as const) {
    if (text !== undefined) await project.write(name, text);
    const { code, err } = await project.run("plan", "--diff", name);
    assert.equal(code, 2, err);
    assert.match(err, new RegExp(`^ravn: ${name.replace(".", "\\.")}: .*\\n$`));
  }
});
