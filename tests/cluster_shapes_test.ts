/**
 * Clusters of many shapes on real processes: rings and maps, long pipelines, and a residual net cut
 * through its skips. `RAVN_SLOW=1` trains two clusters of four for 100 epochs.
 */
import assert from "node:assert/strict";
import { readSafetensors } from "../core/data/mod.ts";
import { numbers, readModel } from "../core/onnx/mod.ts";
import type { Tensor } from "../core/onnx/mod.ts";
import { parsePlan } from "../core/planning/mod.ts";
import type { Plan } from "../core/planning/mod.ts";
import { Project } from "./project.ts";
import type { Configuration, ProjectOptions } from "./project.ts";

const SLOW = Deno.env.get("RAVN_SLOW") === "1";
/** 1,078 samples in batches of 64 are 17 batches. */
const BATCHES = 17;

function planned(o: ProjectOptions, ...words: readonly string[]): Promise<Project> {
  return Project.make(o, (project) => project.succeed("clusterize", ...words));
}

async function planOf(project: Project): Promise<Plan> {
  return parsePlan(await project.read("node_data/plan.json"), "plan.json");
}

/** Runs all providers to the end; each must exit with 0. */
async function provideAll(project: Project): Promise<void> {
  const providers = project.ports.map((_, node) => project.provide(node));
  for (const [node, { ended }] of providers.entries()) {
    const { code, out, err } = await ended;
    assert.equal(code, 0, `node_${node} ended with ${code}\n${out}${err}`);
  }
}

async function tensorsOf(project: Project, file: string): Promise<ReadonlyMap<string, Tensor>> {
  const bytes = await Deno.readFile(project.path(file));
  return readSafetensors(bytes, file).tensors;
}

/** The first of `names` for each key. */
function firstOf(names: readonly string[], key: (name: string) => string): Record<string, string> {
  const first: Record<string, string> = {};
  for (const name of names) first[key(name)] ??= name;
  return first;
}

/**
 * Asserts that rings and maps are what Ravnest defines: ring r has the parameters of stage r of the
 * largest cluster; a node takes part in each ring that has one of its parameters, which the first
 * of them names; and sends each of its parameters to the node of the next cluster that has it.
 */
async function assertRings(project: Project, plan: Plan): Promise<void> {
  const { clusters } = plan;
  const most = Math.max(...clusters.map(({ stages }) => stages.length));
  const largest = clusters.find(({ stages }) => stages.length === most)!;
  const rings = largest.stages.map(({ parameters }) => parameters);
  assert.deepEqual(plan.rings.map(({ parameters }) => parameters), rings);
  for (const [c, { stages }] of clusters.entries()) {
    const next = clusters[(c + 1) % clusters.length]!.stages;
    for (const { name, parameters } of stages) {
      const node = JSON.parse(await project.read(`node_data/nodes/${name}.json`));
      const ringOf = (parameter: string) => String(rings.findIndex((r) => r.includes(parameter)));
      const owner = (parameter: string) =>
        next.find((stage) => stage.parameters.includes(parameter))!.address;
      assert.deepEqual(node.ring_ids, firstOf(parameters, ringOf), `${name}: ring_ids`);
      assert.deepEqual(node.param_addresses, firstOf(parameters, owner), `${name}: addresses`);
    }
  }
}

/** Trains all clusters and fuses each of them; all must be equal bit for bit. */
async function trainEqual(project: Project, plan: Plan): Promise<void> {
  await provideAll(project);
  const fused: Uint8Array[] = [];
  for (const { id } of plan.clusters) {
    await project.succeed("fuse", String(id), "--out", `fused_${id}`);
    fused.push(await Deno.readFile(project.path(`fused_${id}`, "trained.safetensors")));
  }
  for (const each of fused) assert.deepEqual(each, fused[0]);
}

Deno.test("five providers, three and two: rings and maps, equal weights", async () => {
  const epochs = 3;
  await using project = await Project.make({ nodes: 5, configuration: { epochs } });
  const said = await project.succeed("clusterize", "--clusters", "0,1,2;3,4", "--split", "ravnest");
  const at = project.ports.map((port) => `127.0.0.1:${port}`);
  const [conv, dense, norm] = ["conv2d_1.weight", "dense_1.weight", "bn_3.weight"];
  const expected = [
    [0, `0: '${conv}'`, `'${at[3]}': '${conv}'`],
    [0, `1: '${dense}'`, `'${at[4]}': '${dense}'`],
    [0, `2: '${norm}'`, `'${at[4]}': '${norm}'`],
    [1, `0: '${conv}'`, `'${at[0]}': '${conv}'`],
    [1, `1: '${dense}', 2: '${norm}'`, `'${at[1]}': '${dense}', '${at[2]}': '${norm}'`],
  ];
  const blocks = expected.map(([cluster, rings, addresses], node) =>
    `Node(${node}, Cluster(${cluster})) \nself.IP(${at[node]}) \n` +
    `Ring IDs({${rings}}) \nAddress2Param({${addresses}})\n`
  );
  assert.ok(said.startsWith(blocks.join("\n\n")), said);
  const plan = await planOf(project);
  await assertRings(project, plan);
  await trainEqual(project, plan);
  for (const folder of ["", "node_data/cluster_1/"]) {
    // Each cluster has half of the 1,078 samples: 9 batches an epoch.
    assert.equal((await project.lines(`${folder}losses.txt`)).length, 9 * epochs);
    assert.equal((await project.lines(`${folder}val_accuracies.txt`)).length, epochs + 1);
  }
});

Deno.test("rings of four, two and one stages", async () => {
  await using project = await planned(
    { model: "residual", nodes: 7 },
    ...["--clusters", "0,1,2,3;4,5;6", "--split", "params"],
  );
  await assertRings(project, await planOf(project));
});

for (const seed of SLOW ? [42, 1, 2] : [42]) {
  const epochs = SLOW ? 100 : 1;
  Deno.test(`four and four nodes, seed ${seed}: ${epochs} epochs`, async () => {
    await using project = await planned(
      { nodes: 8, configuration: { epochs, seed } },
      ...["--clusters", "0,1,2,3;4,5,6,7", "--split", "params"],
    );
    const plan = await planOf(project);
    await assertRings(project, plan);
    await trainEqual(project, plan);
    const last = (await project.numbers("val_accuracies.txt")).at(-1)!;
    assert.ok(last >= (SLOW ? 94.5 : 10), `accuracy ${last} %`);
  });
}

Deno.test("four, five and six stages give the losses of one process", async () => {
  const configuration: Configuration = { epochs: 1, in_flight: 1 };
  await using single = await Project.make({ configuration });
  await single.succeed("train", "--single");
  const expected = await single.numbers("losses.txt");
  assert.equal(expected.length, BATCHES);
  for (const nodes of [4, 5, 6]) {
    await using project = await planned(
      { nodes, configuration },
      "--split",
      "params",
      "--clusters",
      "1",
    );
    assert.equal((await planOf(project)).clusters[0]!.stages.length, nodes);
    await provideAll(project);
    for (const [i, loss] of (await project.numbers("losses.txt")).entries()) {
      const off = Math.abs(loss - expected[i]!) / expected[i]!;
      assert.ok(off < 1e-4, `${nodes} stages: loss ${i} is ${loss}, ${expected[i]} in one process`);
    }
  }
});

/** So large a rate that the weights after one update are the gradient, to float32's last digits. */
const RATE = 1000;

/** The gradients of a run's only update: (w₀ − w₁) / rate, by parameter. */
async function gradientsOf(
  project: Project,
  trained: string,
): Promise<Map<string, readonly number[]>> {
  const model = readModel(await Deno.readFile(project.path("model.onnx")), { file: "model.onnx" });
  const after = await tensorsOf(project, trained);
  const names = (await planOf(project)).rings.flatMap(({ parameters }) => parameters);
  return new Map(names.map((name) => {
    const [before, now] = [model.initializers.get(name)!, after.get(name)!].map(numbers);
    return [name, Array.from(before!, (value, i) => (value - now![i]!) / RATE)];
  }));
}

Deno.test("a residual net cut through its skip, four batches an update", async () => {
  const configuration = {
    update_frequency: 4,
    in_flight: 1,
    loss: "cross_entropy",
    data: { train: { inputs: "x_train.npy", labels: "y_train_index.npy" } },
    optimizer: { type: "sgd", lr: RATE },
    max_updates: 1,
    epochs: 1,
  } satisfies Configuration;
  await using project = await planned(
    { model: "residual", nodes: 3, configuration },
    ...["--clusters", "1", "--split", "params"],
  );
  const { clusters: [cluster] } = await planOf(project);
  const carried = cluster!.stages.map(({ receives, stage }) =>
    receives.filter(({ from }) => from !== "data" && stage > 0).length
  );
  assert.ok(Math.max(...carried) >= 2, "a stage gets the branch and the skip");
  await provideAll(project);
  await project.succeed("fuse", "0");
  const cut = await gradientsOf(project, "trained/trained.safetensors");
  await project.succeed("train", "--single", "--force");
  const whole = await gradientsOf(project, "trained/trained.safetensors");
  assert.ok(whole.size > 10);
  for (const [name, values] of whole) {
    const largest = Math.max(...values.map(Math.abs));
    assert.ok(largest > 0, `${name} has a gradient`);
    const off = Math.max(...values.map((value, i) => Math.abs(value - cut.get(name)![i]!)));
    assert.ok(off <= 1e-5 * Math.max(largest, 1e-3), `${name} differs by ${off} of ${largest}`);
  }
  const { max_updates: _, ...full } = { ...configuration, optimizer: { type: "sgd", lr: 0.01 } };
  await project.configure(full);
  await project.succeed("train", "--force");
  assert.equal((await project.lines("losses.txt")).length, Math.ceil(BATCHES / 4));
});
