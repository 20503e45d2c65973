/** Plans that do not fit what stands beside them are refused before anything is trained. */
import assert from "node:assert/strict";
import { readModel, writeModel } from "../core/onnx/mod.ts";
import { assertRefused } from "./command_line.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";

/** One thread, for everything here runs in one process. */
const CONFIGURATION: Configuration = { threads: 1, epochs: 1 };
const PROVIDE = ["provide", "--name", "node_1", "--timeout", "1"];

function project(): Promise<Project> {
  return Project.make(
    { configuration: CONFIGURATION },
    (it) => it.succeed("clusterize", "model.onnx", "--split", "params"),
  );
}

Deno.test("a plan for another model is refused by all that go by it", async () => {
  await using it = await project();
  const model = await Deno.readFile(it.path("model.onnx"));
  await it.succeed("init", "other", "--model", "residual");
  await Deno.copyFile(it.path("other", "model.onnx"), it.path("model.onnx"));
  const expected =
    /plan\.json was made for another model: .*model\.onnx with SHA-256 \w{12}, while/;
  for (const words of [PROVIDE, ["train"]]) await assertRefused(it, words, expected);
  await it.configure({ ...CONFIGURATION, model: "other/model.onnx" });
  await assertRefused(it, PROVIDE, /while .*other\/model\.onnx, which .*run ravn clusterize again/);
  await it.configure(CONFIGURATION);
  await it.write("model.onnx", model);
  await it.succeed("train");
  await Deno.copyFile(it.path("other", "model.onnx"), it.path("node_data", "model.onnx"));
  await assertRefused(
    it,
    ["fuse", "0", "--out", "again"],
    /node_data\/model\.onnx has SHA-256 \w{12}, but .*plan\.json was made for .*anew/,
  );
});

Deno.test("a model's data files belong to the plan, and are kept for fuse", async () => {
  await using it = await Project.make({ configuration: CONFIGURATION });
  const file = it.path("model.onnx");
  const graph = readModel(await Deno.readFile(file), { file });
  const location = "data/weights.bin";
  const { model, data } = writeModel(graph, { externalData: { threshold: 64, location } });
  await it.write("model.onnx", model);
  await assertRefused(
    it,
    ["clusterize"],
    /model\.onnx: its data file .*weights\.bin cannot be read/,
  );
  await Deno.mkdir(it.path("data"));
  await it.write(location, data);
  await it.succeed("clusterize", "--split", "params");
  const { external } = JSON.parse(await it.read("node_data/plan.json")).model;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex();
  assert.deepEqual(external, { [location]: hash });

  const changed = data.with(-1, data.at(-1)! ^ 1);
  await it.write(location, changed);
  const expected =
    /plan\.json was made for another model: data\/weights\.bin with .*model\.onnx names, has/;
  for (const words of [PROVIDE, ["train"]]) await assertRefused(it, words, expected);
  await Deno.remove(it.path(location));
  await it.succeed("train");
  const kept = `node_data/model_data/${location}`;
  await it.write(kept, changed);
  await assertRefused(
    it,
    ["fuse", "0", "--out", "again"],
    /model_data\/data\/weights\.bin has SHA-256 \w{12}, but .*plan\.json was made for/,
  );
  await it.write(kept, data);
  await it.succeed("fuse", "0", "--out", "again");
  assert.deepEqual(
    await Deno.readFile(it.path("again", "trained.onnx")),
    await Deno.readFile(it.path("trained", "trained.onnx")),
  );
});

Deno.test("node files that contradict the plan or each other", async () => {
  await using it = await project();
  const own = "node_data/nodes/node_1.json";
  const good = await it.read(own);
  const cases: [changes: object, expected: RegExp][] = [
    [
      { plan_hash: "ab".repeat(32) },
      /nodes\/node_1\.json is of plan (ab){6}, .*plan\.json is plan .*run ravn clusterize again/,
    ],
    [
      { stage: "one" },
      /nodes\/node_1\.json: stage: .*run ravn clusterize again/,
    ],
    [{ colour: "red" }, /nodes\/node_1\.json: .*colour.*run ravn clusterize again/],
    [{ schedule: "1f1b" }, /schedule 1f1b .*ravn\.yaml says async.*run ravn clusterize/],
    [{ stage: 0 }, /node_1\.json: stage is 0, expected 1 \(node_data\/cluster_0/],
    [{ name: "node_2" }, /node_1\.json: name is node_2, expected node_1/],
    [{ peers: [] }, /node_1\.json: peers is \[\], expected \[0,1,2\]/],
    [{ rank: 4 }, /node_1\.json: rank is 4, expected 0 \(ring_size 1\)/],
    [{ cluster_length: 2 }, /node_1\.json: cluster_length is 2, expected 3/],
    [{ template_path: "node_data/cluster_0/nowhere" }, /nowhere/],
  ];
  for (const [changes, expected] of cases) {
    await it.write(own, JSON.stringify({ ...JSON.parse(good), ...changes }));
    await assertRefused(it, PROVIDE, expected);
    await it.write(own, good);
  }
});
