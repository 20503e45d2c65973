/** How providers meet at the start of a run, and what they say where they cannot. */
import assert from "node:assert/strict";
import { assertOneLine } from "./assertions.ts";
import { Project } from "./project.ts";
import type { Configuration } from "./project.ts";
import type { Ending } from "./ravn_process.ts";

/** A planned project; over TCP, so that processes that are killed leave no socket files. */
function planned(configuration: Configuration = {}): Promise<Project> {
  return Project.make(
    { configuration: { transport: "tcp", ...configuration } },
    (project) => project.succeed("clusterize", "--split", "ravnest"),
  );
}

function assertFailed(ending: Ending, code: number, expected: RegExp): void {
  assert.equal(ending.code, code, ending.out + ending.err);
  assert.match(assertOneLine(ending), expected);
}

Deno.test("the root names the first node that does not come, with its address", async () => {
  await using project = await planned();
  const before = await project.snapshot();
  const [, stem, leaf] = project.ports;
  const root = await project.provide(0, ["--timeout", "2"]).ended;
  const where = `node_1 at 127.0.0.1:${stem}|node_2 at 127.0.0.1:${leaf}`;
  assertFailed(root, 1, new RegExp(`node_0 waited 2 s for (${where}), which should listen there`));
  assert.match(root.out, /node_0: waiting for node_1 at 127.0.0.1:\d+/);
  assert.deepEqual(await project.snapshot(), before);
});

Deno.test("the leaf names all that do not come, with their addresses", async () => {
  await using project = await planned();
  const [root, stem] = project.ports;
  const leaf = await project.provide(2, ["--timeout", "2"]).ended;
  const missing = `node_0 at 127.0.0.1:${root} and node_1 at 127.0.0.1:${stem}`;
  assertFailed(leaf, 1, new RegExp(`node_2 waited 2 s for ${missing} to connect`));
});

Deno.test("those who have come are told when one gives up", async () => {
  await using project = await planned();
  const root = project.provide(0);
  const stem = project.provide(1, ["--timeout", "3"]);
  assertFailed(await stem.ended, 1, /node_1 waited 3 s for node_2 at 127.0.0.1:\d+/);
  const told = await root.ended;
  assertFailed(told, 1, /node_1 at 127.0.0.1:\d+ left before all nodes had met: .*node_2/);
});

Deno.test("a node that is stopped while it waits ends at once, with exit code 130", async () => {
  await using project = await planned();
  const root = project.provide(0);
  await root.line((line) => line.includes("waiting for"));
  root.kill("SIGTERM");
  assertFailed(await root.ended, 130, /stopping/);
});

Deno.test("a node with another run token is refused, and both sides say why", async () => {
  await using project = await planned({ transport: "auto" });
  const leaf = project.provide(2);
  const stem = project.provide(1, [], { RAVN_TOKEN: "another token" });
  const refused = /node_2 at 127.0.0.1:\d+ refused the run token; both nodes need the node files/;
  assertFailed(await stem.ended, 2, refused);
  const warning = await leaf.line((line) => line.startsWith("ravn: "));
  assert.match(warning, /warning: node_2 did not let in node_1 .*: the run tokens of .* differ/);
});

Deno.test("RAVN_TOKEN and --token replace the token of the node files", async () => {
  await using project = await planned({ epochs: 1 });
  const providers = [
    project.provide(0, ["--token", "ours"]),
    project.provide(1, ["--token", "ours"], { RAVN_TOKEN: "which --token replaces" }),
    project.provide(2, [], { RAVN_TOKEN: "ours" }),
  ];
  for (const { ended } of providers) {
    const { code, err } = await ended;
    assert.equal(code, 0, err);
  }
});

Deno.test("a node with another plan is refused, and both plans are named", async () => {
  await using project = await planned();
  const old = await project.read("node_data/nodes/node_1.json");
  await project.succeed("clusterize", "--split", "ravnest", "--in-flight", "2");
  const hash = (text: string) => (JSON.parse(text).plan_hash as string).slice(0, 12);
  const current = hash(await project.read("node_data/nodes/node_0.json"));
  await project.write("node_data/nodes/node_1.json", old);
  // On a machine of its own a node has no plan.json to compare its file with.
  await Deno.remove(project.path("node_data", "plan.json"));
  const token = { RAVN_TOKEN: "the same for all" };
  const leaf = project.provide(2, [], token);
  const stem = project.provide(1, [], token);
  const plans = `has plan (${hash(old)}|${current}), node_[12] has plan (${hash(old)}|${current})`;
  const advice = "run clusterize once and copy its node_data to every machine";
  assertFailed(
    await stem.ended,
    2,
    new RegExp(`node_2 at .* cannot be joined: .*${plans}; ${advice}`),
  );
  assert.match(await leaf.line((line) => line.startsWith("ravn: ")), new RegExp(plans));
  assert.notEqual(hash(old), current);
});

Deno.test("nodes with other settings or data than the root are named, with both", async () => {
  await using project = await planned({ epochs: 100_000, labels: "leaf" });
  const run = async (node: number, words: readonly string[], expected: RegExp) => {
    const providers = [0, 1, 2].map((each) => project.provide(each, each === node ? words : []));
    const endings = await Promise.all(providers.map(({ ended }) => ended));
    assertFailed(endings[node]!, 1, expected);
    for (const ending of endings) assertFailed(ending, 1, expected);
  };
  const set = (override: string) => ["--set", override];
  await run(1, set("optimizer.lr=0.1"), /the root trains with optimizer .*0\.001.*node_1 .*0\.1/);
  await run(2, set("seed=7"), /the root trains with seed 42, node_2 has 7; use one ravn\.yaml/);
  await run(2, set("data.shuffle=false"), /data\.shuffle true, node_2 has false/);
  await run(1, ["--in-flight", "2"], /in_flight 3, node_1 has 2/);
  const validation = "data.train={inputs: x_val.npy, labels: y_val.npy}";
  await run(2, set(validation), /the root has 1078 training .*node_2 has 719 and 719/);
});

Deno.test("a port that is in use is named at once", async () => {
  await using project = await planned();
  const before = await project.snapshot();
  using _ = Deno.listen({ hostname: "127.0.0.1", port: project.ports[1]! });
  const busy = new RegExp(`node_1: port ${project.ports[1]} on 127.0.0.1 is in use`);
  assertFailed(await project.provide(1).ended, 2, busy);
  assertFailed(await project.run("train"), 2, busy);
  assert.deepEqual(await project.snapshot(), before);
});

Deno.test("a node started twice learns so at once, before a run and during it", async () => {
  await using project = await planned({ epochs: 100_000 });
  const twice = /node_1: port \d+ on 127.0.0.1 is in use/;
  const stem = project.provide(1);
  await stem.line((line) => line.includes("waiting for"));
  assertFailed(await project.provide(1).ended, 2, twice);
  const leaf = project.provide(2, ["--json"]);
  project.provide(0);
  await leaf.update(10);
  assertFailed(await project.provide(1).ended, 2, twice);
  await leaf.update(30);
});
