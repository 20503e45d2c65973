/**
 * Several clusters on real processes: each trains on its share of the digits, and they agree by an
 * all-reduce between stages that are cut differently. `RAVN_SLOW=1` trains them for 100 epochs.
 */
import assert from "node:assert/strict";
import { parseEvent } from "../core/run/events.ts";
import { assertOneLine } from "./assertions.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";
import type { RavnProcess } from "./ravn_process.ts";

const SLOW = Deno.env.get("RAVN_SLOW") === "1";
/** How soon a lost node is named. */
const NAMED_MS_MAX = 5_000;

/** Plans the given clusters, e.g. `0,1,2;3,4`. */
function planned(clusters: string, configuration: Configuration): Promise<Project> {
  const nodes = clusters.split(/[,;]/).length;
  return Project.make(
    { nodes, configuration },
    (project) => project.succeed("clusterize", "--clusters", clusters, "--split", "params"),
  );
}

/** Starts all providers, the last one first. */
function startAll(project: Project): RavnProcess[] {
  return project.ports.map((_, node) => project.ports.length - 1 - node)
    .map((node) => project.provide(node, ["--json"])).reverse();
}

async function trainAll(project: Project): Promise<void> {
  for (const [node, { ended }] of startAll(project).entries()) {
    const { code, out, err } = await ended;
    assert.equal(code, 0, `node_${node} ended with ${code}\n${out}${err}`);
  }
}

/** Fuses every cluster; all of them must be equal bit for bit. Returns the fused weights. */
async function fuseEqual(project: Project, clusters: number): Promise<Uint8Array> {
  const fused: Uint8Array[] = [];
  for (let cluster = 0; cluster < clusters; cluster++) {
    const out = `fused_${cluster}`;
    await project.succeed("fuse", String(cluster), "--out", out);
    fused.push(await Deno.readFile(project.path(out, "trained.safetensors")));
  }
  for (const each of fused) assert.deepEqual(each, fused[0]);
  return fused[0]!;
}

/** The numbers of all events of a kind among lines of JSON. */
function events(lines: readonly string[], kind: string): Record<string, number>[] {
  return lines.filter((line) => line.startsWith(`{"event":"${kind}"`))
    .map((line) => JSON.parse(line));
}

interface Settings {
  readonly clusters: string;
  readonly configuration: Configuration;
  /** Least accuracy at the end, in percent. */
  readonly accuracy: number;
}

async function trainEqual({ clusters, configuration, accuracy }: Settings): Promise<void> {
  await using project = await planned(clusters, configuration);
  await trainAll(project);
  const count = clusters.split(";").length;
  await fuseEqual(project, count);
  const ends: number[] = [];
  for (let cluster = 0; cluster < count; cluster++) {
    const folder = cluster === 0 ? "" : `node_data/cluster_${cluster}/`;
    ends.push((await project.numbers(`${folder}val_accuracies.txt`)).at(-1)!);
  }
  if (SLOW) {
    // deno-lint-ignore no-console
    console.log(`${clusters}, ${JSON.stringify(configuration)}: ${ends.join(" %, ")} %`);
  }
  for (const end of ends) assert.equal(end, ends[0], "clusters that are equal judge equally");
  assert.ok(ends[0]! >= accuracy, `accuracy ${ends[0]} %`);
}

Deno.test("three and two stages agree bit for bit, each on its share of the data", () =>
  trainEqual({ clusters: "0,1,2;3,4", configuration: { epochs: 4 }, accuracy: 60 }));

Deno.test("two, two and one: averaging within epochs, synchronously, over TCP", () =>
  trainEqual({
    clusters: "0,1;2,3;4",
    configuration: { epochs: 3, reduce_every: 4, schedule: "1f1b", transport: "tcp" },
    accuracy: 20,
  }));

Deno.test("a cluster of one node beside one of three; a validation that waits for the mean", () =>
  trainEqual({
    clusters: "0;1,2,3",
    configuration: {
      epochs: 2,
      val_freq: 3,
      reduce_every: 3,
      reduce_delay: 0,
      update_frequency: 2,
    },
    accuracy: 10,
  }));

Deno.test("clusters that train on while they average are equal in the end", () =>
  trainEqual({
    clusters: "0,1,2;3,4",
    configuration: { epochs: 4, reduce_every: 3, reduce_delay: 1 },
    accuracy: 60,
  }));

Deno.test("an outer optimizer on what int8 says: equal in the end, and told", async () => {
  const configuration = {
    ...{ epochs: 4, reduce_every: 5, reduce_delay: 1, outer: "nesterov" },
    compression: { averaging: { type: "int8", feedback: true } },
  };
  await using project = await planned("0,1,2;3,4", configuration);
  const providers = startAll(project);
  const endings = await Promise.all(providers.map(({ ended }) => ended));
  for (const [node, { code, out, err }] of endings.entries()) {
    assert.equal(code, 0, `node_${node} ended with ${code}\n${out}${err}`);
    const told = events(out.split("\n"), "average");
    assert.deepEqual(told.map(({ update }) => update), [5, 10, 15, 20, 25, 30, 36]);
    for (const { ms, waited_ms, bytes_sent, bytes_raw } of told) {
      assert.ok(waited_ms! <= ms! && bytes_sent! * 2 < bytes_raw!, JSON.stringify(told));
    }
  }
  await fuseEqual(project, 2);
  const lines = await project.lines("metrics.jsonl");
  const averages = events(lines, "average");
  assert.equal(averages.length, 7);
  const [end] = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === "end");
  const sent = averages.reduce((sum, { bytes_sent }) => sum + bytes_sent!, 0);
  assert.equal(end.averaging.averages, 7);
  assert.equal(end.averaging.bytes_sent, sent);
  const accuracies = await project.numbers("val_accuracies.txt");
  assert.ok(accuracies.at(-1)! >= 50, `accuracies ${accuracies}`);
});

Deno.test("the optimizer's state too, and waiting for each mean", () =>
  trainEqual({
    clusters: "0,1,2;3,4",
    configuration: { epochs: 3, reduce_every: 4, average_optimizer: true },
    accuracy: 40,
  }));

Deno.test("ravn train tells how often clusters averaged; --barrier makes them wait", async () => {
  await using project = await planned("0,1;2", { epochs: 2, reduce_every: 3, transport: "tcp" });
  const out = await project.succeed("train", "--barrier");
  assert.match(out, /averaged 6 times, [\d.]+ ms each, of which [\d.]+ ms waiting; /);
  const told = await Promise.all(
    ["metrics.jsonl", "node_data/cluster_1/metrics.jsonl"].map((file) => project.lines(file)),
  );
  const averages = told.map((lines) =>
    lines.map(parseEvent).flatMap((event) => event?.event === "average" ? [event.node] : [])
  );
  assert.deepEqual(averages, [
    ["node_1", "node_0"].flatMap((name) => Array(6).fill(name)),
    Array(6).fill("node_2"),
  ]);
  const traffic = told.map((lines) => events(lines, "traffic").length);
  assert.deepEqual(traffic, [2, 0]);
  const delayed = await project.run(
    "train",
    "--force",
    "--set",
    "average_optimizer=true",
    "--set",
    "reduce_delay=1",
  );
  assert.match(assertOneLine(delayed), /reduce_delay: 1 does not go with average_optimizer: true/);
});

Deno.test("clusters on the same data and the same cut stay what one cluster is", async () => {
  const losses: string[] = [];
  for (const reduce_every of ["epoch", "never"]) {
    const data = { train: { inputs: "x_train.npy", labels: "y_train.npy" }, shard: "none" };
    const configuration = { epochs: 2, reduce_every, data, in_flight: 1 };
    await using project = await planned("0,1;2,3", configuration);
    await trainAll(project);
    await fuseEqual(project, 2);
    losses.push(await project.read("losses.txt"));
  }
  assert.equal(losses[0], losses[1]);
});

for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
  Deno.test(`a node that is lost in a reduce (${signal}) is named within 5 s`, async () => {
    const configuration = { epochs: 100_000, reduce_every: 1, transport: "tcp" };
    await using project = await planned("0,1;2,3", configuration);
    const providers = startAll(project);
    await providers[1]!.update(10);
    const lost_ms = performance.now();
    providers[2]!.kill(signal);
    for (const node of [0, 1, 3]) {
      const ending = await providers[node]!.ended;
      assert.equal(ending.code, 1, ending.err);
      assert.match(assertOneLine(ending), /lost node_2 at 127\.0\.0\.1:\d+: .*expected \w/);
      assert.ok(ending.complained_ms! - lost_ms <= NAMED_MS_MAX);
    }
  });
}

Deno.test("clusters with other settings are refused, with both", async () => {
  await using project = await planned("0;1", { epochs: 5 });
  const other = project.provide(1, ["--set", "optimizer.lr=0.1"]);
  const ending = await project.provide(0).ended;
  assert.equal(ending.code, 1, ending.err);
  assert.match(assertOneLine(ending), /optimizer .*0\.1.*0\.001|optimizer .*0\.001.*0\.1/);
  assert.equal((await other.ended).code, 1);
});

for (const clusters of ["0,1,2;3,4", "0,1;2,3;4"]) {
  for (const seed of [42, 1, 2]) {
    Deno.test({
      name: `100 epochs of the clusters ${clusters}, seed ${seed}`,
      ignore: !SLOW,
      fn: () => trainEqual({ clusters, configuration: { seed }, accuracy: 94.5 }),
    });
  }
}
