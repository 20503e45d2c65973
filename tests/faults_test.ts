/** What providers do when one of them is lost, stopped, late, or not who it should be. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { assertOneLine } from "./assertions.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";
import type { RavnProcess } from "./ravn_process.ts";

const NODES = [0, 1, 2] as const;
/** A run that does not end by itself; over TCP, so that what is killed leaves no socket files. */
const LONG: Configuration = { epochs: 100_000, transport: "tcp" };
/** How soon a lost node is named. */
const NAMED_MS_MAX = 5_000;

interface Cluster {
  readonly project: Project;
  readonly providers: readonly RavnProcess[];
}

/** Folder of a node's stage. */
function stageFolder({ ports }: Project, node: number): string {
  return join("node_data", "cluster_0", `127.0.0.1:${ports[node]}`);
}

/** Plans three stages and starts their providers. */
async function startAll(project: Project, words: readonly string[] = []): Promise<Cluster> {
  await project.succeed("clusterize", "--split", "ravnest");
  return { project, providers: NODES.map((node) => project.provide(node, ["--json", ...words])) };
}

/** Three providers in the middle of a run that would go on. */
async function running(project: Project): Promise<Cluster> {
  const cluster = await startAll(project);
  await cluster.providers[2]!.update(20);
  return cluster;
}

async function assertCheckpoint(project: Project, node: number): Promise<void> {
  const files = await project.files(stageFolder(project, node));
  assert.ok(files.some((file) => file.endsWith("/checkpoint.safetensors")), files.join("\n"));
  assert.ok(!files.some((file) => file.endsWith("/trained.safetensors")), files.join("\n"));
}

async function assertRefusedByFuse(project: Project): Promise<void> {
  const before = await project.snapshot();
  const ending = await project.run("fuse", "0");
  assert.equal(ending.code, 2);
  assert.match(assertOneLine(ending), /stage 0 of cluster 0 has no trained weights/);
  assert.deepEqual(await project.snapshot(), before);
}

/** What a neighbour of node `lost` says of it: who, where, and what was expected. */
function namesLost(project: Project, lost: number): RegExp {
  const address = `127\\.0\\.0\\.1:${project.ports[lost]}`;
  return new RegExp(`lost node_${lost} at ${address}: .*expected \\w`);
}

for (const [lost, role] of [[0, "root"], [1, "stem"], [2, "leaf"]] as const) {
  Deno.test(`a killed ${role} is named within 5 s, and the others save and end`, async () => {
    await using project = await Project.make({ configuration: LONG });
    const { providers } = await running(project);
    const killed_ms = performance.now();
    providers[lost]!.kill("SIGKILL");
    for (const node of NODES.filter((node) => node !== lost)) {
      const ending = await providers[node]!.ended;
      assert.equal(ending.code, 1, ending.err);
      assert.match(assertOneLine(ending), namesLost(project, lost));
      const after_ms = ending.complained_ms! - killed_ms;
      assert.ok(after_ms <= NAMED_MS_MAX, `node_${node} said so after ${after_ms} ms`);
      await assertCheckpoint(project, node);
    }
    await assertRefusedByFuse(project);
  });
}

Deno.test("a stem that hangs is named within 5 s, and ends when it wakes up", async () => {
  await using project = await Project.make({ configuration: LONG });
  const { providers } = await running(project);
  const stopped_ms = performance.now();
  providers[1]!.kill("SIGSTOP");
  for (const node of [0, 2]) {
    const ending = await providers[node]!.ended;
    assert.equal(ending.code, 1, ending.err);
    assert.match(assertOneLine(ending), namesLost(project, 1));
    assert.match(ending.err, /nothing was heard from it for 4 s/);
    const after_ms = ending.complained_ms! - stopped_ms;
    assert.ok(after_ms <= NAMED_MS_MAX, `node_${node} said so after ${after_ms} ms`);
  }
  providers[1]!.kill("SIGCONT");
  const woken = await providers[1]!.ended;
  assert.equal(woken.code, 1);
  assert.match(assertOneLine(woken), /node_[02]/);
  await assertCheckpoint(project, 1);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} stops a provider cleanly, and the others are told`, async () => {
    await using project = await Project.make({ configuration: LONG });
    const { providers } = await running(project);
    providers[1]!.kill(signal);
    const stopped = await providers[1]!.ended;
    assert.equal(stopped.code, 130, stopped.err);
    assert.match(assertOneLine(stopped), /stopping; press Ctrl-C again/);
    for (const node of [0, 2]) {
      const told = await providers[node]!.ended;
      assert.equal(told.code, 1, told.err);
      assert.match(
        assertOneLine(told),
        /node_1 at 127.0.0.1:\d+ ended the run: .*stopped by the user/,
      );
    }
    for (const node of NODES) await assertCheckpoint(project, node);
  });
}

Deno.test("train: Ctrl-C stops all providers, which save", async () => {
  await using project = await Project.make({ configuration: LONG });
  await project.succeed("clusterize", "--split", "ravnest");
  const train = project.start(["train", "--json"]);
  await train.update(20);
  train.kill("SIGINT");
  const ending = await train.ended;
  assert.equal(ending.code, 130, ending.err);
  assert.match(assertOneLine(ending), /stopping; press Ctrl-C again/);
  for (const node of NODES) await assertCheckpoint(project, node);
});

Deno.test("train: killed, it leaves no provider behind, and all have saved", async () => {
  await using project = await Project.make({ configuration: LONG });
  await project.succeed("clusterize", "--split", "ravnest");
  const train = project.start(["train", "--json"]);
  await train.update(20);
  train.kill("SIGKILL");
  await train.ended;
  const saved = async () => {
    const files = await project.files();
    return files.filter((file) => file.endsWith("checkpoint.safetensors")).length;
  };
  for (let wait = 0; wait < 100 && await saved() < NODES.length; wait++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  for (const node of NODES) await assertCheckpoint(project, node);
});

Deno.test("after a crash of all, over Unix sockets too, the same plan can be trained", async () => {
  await using project = await Project.make({ configuration: { epochs: 100, transport: "unix" } });
  const { providers } = await running(project);
  for (const provider of providers) provider.kill("SIGKILL");
  for (const { ended } of providers) assert.equal((await ended).code, 128 + 9);
  const again = NODES.map((node) => project.provide(node, ["--set", "epochs=1"]));
  for (const { ended } of again) {
    const { code, err } = await ended;
    assert.deepEqual([code, err], [0, ""]);
  }
  assert.equal((await project.lines("losses.txt")).length, 17);
  assert.ok((await project.files()).includes("losses.1.txt"), "those of the first run are kept");
});
