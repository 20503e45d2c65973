/** What has been trained is never lost by accident, and never joined with what does not fit it. */
import assert from "node:assert/strict";
import { answer, assertRefused } from "./command_line.ts";
import { Project } from "./project.ts";

const CLUSTERIZE = ["clusterize", "model.onnx", "--split", "ravnest"];
const TRAINED = "trained.safetensors";

/** A planned project, whose command lines may run in this process. */
function planned(): Promise<Project> {
  return Project.make({ configuration: { threads: 1, epochs: 1 } }, async (project) => {
    assert.equal((await answer(project, CLUSTERIZE)).code, 0);
  });
}

/** Path of a file in the folder of a node's stage. */
function stageFile({ ports }: Project, node: number, file: string): string {
  return `node_data/cluster_0/127.0.0.1:${ports[node]}/${file}`;
}

Deno.test("what was trained is not replaced without --force", async () => {
  await using project = await planned();
  await project.succeed("train");
  const first = stageFile(project, 0, TRAINED);
  const there = (file: string) => new RegExp(`${file.replaceAll(".", "\\.")} is there already`);
  await assertRefused(project, CLUSTERIZE, /127.*trained\.safetensors holds trained weights/);
  await assertRefused(project, ["train"], there("trained/trained.onnx"));
  await assertRefused(project, ["train", "--single"], there("trained/trained.onnx"));
  await assertRefused(project, ["provide", "--name", "node_0"], there(first));
  await assertRefused(project, ["fuse", "0"], there("trained/trained.onnx"));
  await assertRefused(project, ["init", "."], there("model.onnx"));

  const before = await project.snapshot();
  await project.succeed("train", "--force");
  const after = await project.snapshot();
  assert.notEqual(after.get(first), before.get(first), "a run has an id of its own");
  assert.equal(after.get(stageFile(project, 0, "trained.1.safetensors")), before.get(first));
  assert.equal(after.get("losses.1.txt"), before.get("losses.txt"));
  assert.equal(after.get("losses.txt"), before.get("losses.txt"), "the same seed, the same run");

  assert.equal((await answer(project, [...CLUSTERIZE, "--force"])).code, 0);
  const replanned = await project.files("node_data");
  assert.deepEqual(replanned.filter((name) => name.includes("trained")), []);
});

Deno.test("only the stages of one complete run are joined", async () => {
  await using project = await planned();
  await assertRefused(project, ["fuse", "0"], /stage 0 of cluster 0 has no trained weights/);
  await assertRefused(project, ["fuse", "1"], /there is no cluster 1/);
  await project.succeed("train");
  await Deno.remove(project.path("trained"), { recursive: true });
  const stem = project.path(stageFile(project, 1, TRAINED));
  const weights = await Deno.readFile(stem);

  await Deno.remove(stem);
  await assertRefused(project, ["fuse", "0"], /stage 1 of cluster 0 has no trained weights/);
  await Deno.writeFile(stem, weights.subarray(0, weights.length - 100));
  await assertRefused(project, ["fuse", "0"], new RegExp(stem));
  await project.succeed("train", "--force");
  await Deno.remove(project.path("trained"), { recursive: true });
  await Deno.writeFile(stem, weights);
  await assertRefused(
    project,
    ["fuse", "0"],
    /are not of one complete run; train the cluster again/,
  );
});

Deno.test("a plan that is missing, damaged or incomplete", async () => {
  await using project = await planned();
  const provide = (node: number) => ["provide", "--name", `node_${node}`];
  await assertRefused(
    project,
    provide(3),
    /nodes\/node_3\.json does not exist; run ravn clusterize/,
  );

  const nodeFile = "node_data/nodes/node_1.json";
  const node = await project.read(nodeFile);
  await project.write(nodeFile, node.slice(0, -10));
  await assertRefused(project, provide(1), /node_1\.json is not JSON .* run ravn clusterize again/);
  await project.write(nodeFile, node.replace('"stage": 1', '"stage": "one"'));
  await assertRefused(project, provide(1), /node_1\.json: stage: .* run ravn clusterize again/);
  await project.write(nodeFile, node);
  for (const file of ["stage.json", "forward.onnx", "submod.onnx", "evaluate.onnx"]) {
    const path = stageFile(project, 1, file);
    const bytes = await Deno.readFile(project.path(path));
    await Deno.remove(project.path(path));
    await assertRefused(project, provide(1), new RegExp(path));
    await project.write(path, bytes.subarray(0, bytes.length / 2));
    await assertRefused(project, provide(1), new RegExp(stageFile(project, 1, "").slice(0, -1)));
    await project.write(path, bytes);
  }
  await project.configure({ threads: 1, schedule: "gpipe" });
  await assertRefused(project, provide(1), /schedule async .* gpipe .*: run ravn clusterize again/);
  await project.configure({ threads: 1 });
  const set = [...provide(1), "--set", "batch_size=32"];
  await assertRefused(project, set, /--set batch_size=32: .* run ravn clusterize again/);
  await Deno.remove(project.path("node_data/plan.json"));
  await assertRefused(project, ["train"], /plan\.json does not exist; run ravn clusterize first/);
});
