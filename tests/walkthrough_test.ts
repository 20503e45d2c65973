/**
 * Ravnest's walkthrough from end to end: the digits CNN over three providers, each a process of its
 * own, for 100 epochs. Four seeds make the bounds believable; two of them run each time, all of
 * them with `RAVN_SLOW=1`.
 */
import assert from "node:assert/strict";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";
import type { RavnProcess } from "./ravn_process.ts";

const SLOW = Deno.env.get("RAVN_SLOW") === "1";

/** 1,078 samples in batches of 64 are 17 updates an epoch, the last of them of 54 samples. */
const UPDATES = 1700;
const VALIDATION_SAMPLES = 719;

/** What `clusterize` says of node `node`, as in the walkthrough. */
function block(node: number, address: string, parameter: string): string {
  return `Node(${node}, Cluster(0)) \n` +
    `self.IP(${address}) \n` +
    `Ring IDs({${node}: '${parameter}'}) \n` +
    `Address2Param({'${address}': '${parameter}'})\n`;
}

function walkthroughLog(addresses: readonly string[]): string {
  const first = ["conv2d_1.weight", "dense_1.weight", "bn_3.weight"];
  return addresses.map((address, node) => block(node, address, first[node]!)).join("\n\n");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Runs one provider a node to the end. */
async function provideAll(project: Project, order: readonly number[]): Promise<void> {
  const providers: RavnProcess[] = [];
  for (const node of order) {
    providers.push(project.provide(node));
    // Apart enough that the first one has to wait for the others.
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  for (const [i, provider] of providers.entries()) {
    const { code, out, err } = await provider.ended;
    assert.equal(code, 0, `node_${order[i]} ended with ${code}\n${out}${err}`);
  }
}

interface Score {
  readonly samples: number;
  readonly loss: number;
  readonly accuracy: number;
}

/** Accuracy of the joined model in plain ONNX Runtime. */
async function evaluate(project: Project): Promise<Score> {
  return JSON.parse(await project.succeed("eval", "trained/trained.onnx", "--json"));
}

async function walk(seed: number, order: readonly number[]): Promise<void> {
  await using project = await Project.make({ configuration: { seed } });
  const addresses = project.ports.map((port) => `127.0.0.1:${port}`);
  const planned = await project.succeed("clusterize", "model.onnx", "--split", "ravnest");
  assert.ok(planned.startsWith(walkthroughLog(addresses)), planned);
  assert.deepEqual(await project.files("node_data"), treeOf(addresses));

  await provideAll(project, order);
  const losses = await project.numbers("losses.txt");
  assert.equal(losses.length, UPDATES);
  assert.ok(Math.abs(losses[0]! - 0.09) <= 0.01, `first loss ${losses[0]}`);
  const last = mean(losses.slice(-17));
  assert.ok(last <= 0.012, `mean of the last 17 losses ${last}`);
  const accuracies = await project.numbers("val_accuracies.txt");
  assert.equal(accuracies.length, 101);
  assert.ok(accuracies.at(-1)! >= 95, `last accuracy ${accuracies.at(-1)} %`);

  await project.succeed("fuse", "0");
  assert.deepEqual(await project.files("trained"), [
    "trained/trained.onnx",
    "trained/trained.safetensors",
  ]);
  const { samples, accuracy } = await evaluate(project);
  assert.equal(samples, VALIDATION_SAMPLES);
  assert.ok(Math.abs(accuracy - accuracies.at(-1)!) <= 0.1, `${accuracy} %, fused`);
  if (SLOW) {
    // deno-lint-ignore no-console
    console.log(
      `seed ${seed}, order ${order}: first loss ${losses[0]}, last 17 ${last.toFixed(5)}, ` +
        `accuracy ${accuracies.at(-1)} %, fused ${accuracy.toFixed(4)} %`,
    );
  }
}

/** The files of the walkthrough's tree, with ONNX and JSON for TorchScript and pickle, and ours. */
function treeOf(addresses: readonly string[]): string[] {
  const last = addresses.length - 1;
  const stage = (address: string, i: number) =>
    [
      ...(i === 0 ? ["model_inputs.json"] : []),
      "submod.onnx",
      `submod_${i}_input.json`,
      `submod_${i}_output.json`,
      "stage.json",
      "evaluate.onnx",
      ...(i === last ? ["step.onnx"] : ["forward.onnx", "backward.onnx"]),
    ].map((name) => `cluster_0/${address}/${name}`);
  return [
    ...addresses.flatMap(stage),
    "node_configs.json",
    ...addresses.map((_, i) => `nodes/node_${i}.json`),
    "plan.json",
    "model.onnx",
  ].map((name) => `node_data/${name}`).sort();
}

Deno.test("the walkthrough: seed 42, providers started 0, 1, 2", () => walk(42, [0, 1, 2]));

Deno.test("the walkthrough: seed 1, providers started 2, 1, 0", () => walk(1, [2, 1, 0]));

for (const [seed, order] of [[42, [2, 1, 0]], [1, [0, 1, 2]], [2, [2, 1, 0]], [3, [1, 0, 2]]]) {
  Deno.test({
    name: `the walkthrough: seed ${seed}, providers started ${order}`,
    ignore: !SLOW,
    fn: () => walk(seed as number, order as number[]),
  });
}

Deno.test("every seed gives the walkthrough's cluster, and a dry run writes nothing", async () => {
  await using project = await Project.make();
  const nodes = [8080, 8081, 8082].map((port, node) => [
    String(node),
    { IP: `0.0.0.0:${port}`, benchmarks: { ram: 8, bandwidth: 10 } },
  ]);
  await project.write("node_data/node_configs.json", JSON.stringify(Object.fromEntries(nodes)));
  const before = await project.snapshot();
  const log = walkthroughLog(["0.0.0.0:8080", "0.0.0.0:8081", "0.0.0.0:8082"]);
  for (const seed of [42, 1, 2, 3]) {
    const words = ["--split", "ravnest", "--seed", String(seed), "--dry-run"];
    const printed = await project.succeed("clusterize", "model.onnx", ...words);
    assert.ok(printed.startsWith(log), printed);
  }
  assert.deepEqual(await project.snapshot(), before);
});

Deno.test("an asynchronous run repeats bit for bit, over TCP and over Unix sockets", async () => {
  const runs: string[] = [];
  for (const transport of ["tcp", "tcp", "unix"]) {
    const configuration: Configuration = { transport, epochs: 3, val_freq: 10 };
    await using project = await Project.make({ configuration });
    await project.succeed("clusterize", "--split", "ravnest");
    await provideAll(project, [1, 2, 0]);
    runs.push(await project.read("losses.txt"), await project.read("val_accuracies.txt"));
  }
  const [losses, accuracies, ...others] = runs;
  assert.equal(losses!.split("\n").length, 3 * 17 + 1);
  assert.equal(accuracies!.split("\n").length, 5 + 1 + 1, "updates 10 to 50, and the end");
  assert.deepEqual(others, [losses, accuracies, losses, accuracies]);
});
