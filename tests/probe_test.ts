import assert from "node:assert/strict";
import { parseNodeConfigs } from "../core/planning/mod.ts";
import { Project } from "./project.ts";

/** Keys of a node that probing must leave as they are. */
const KEPT = ["IP", "benchmarks"];

async function nodesOf(project: Project): Promise<Record<string, Record<string, unknown>>> {
  return JSON.parse(await project.read("node_data/node_configs.json"));
}

Deno.test("three nodes that probe at the same time all know all links", async () => {
  await using project = await Project.make({ nodes: 3 });
  const before = await nodesOf(project);
  const ends = await Promise.all(
    [0, 1, 2].map((node) =>
      project.start(["probe", "--name", `node_${node}`, "--timeout", "60", "--json"]).ended
    ),
  );
  for (const [node, { code, out, err }] of ends.entries()) {
    assert.equal(code, 0, err);
    const report = JSON.parse(out.trim().split("\n").at(-1)!);
    assert.equal(report.event, "probe");
    assert.equal(report.node, `node_${node}`);
    assert.deepEqual(report.missing, []);
    assert.equal(report.links.length, 2);
    // They share a machine, and its operator times.
    for (const { speed } of report.links) assert.equal(speed, 1);
  }
  const file = "node_data/node_configs.json";
  const nodes = parseNodeConfigs(await project.read(file), file);
  for (const { id, probe, links } of nodes) {
    assert.ok(probe!.cores! > 0 && probe!.memory_mb! > 0 && probe!.speed === 1);
    assert.deepEqual([...links!.keys()].sort(), [0, 1, 2].filter((other) => other !== id));
    for (const { bandwidth_mbps, latency_ms } of links!.values()) {
      assert.ok(bandwidth_mbps > 1 && latency_ms > 0 && latency_ms < 1000);
    }
  }
  const after = await nodesOf(project);
  for (const [id, node] of Object.entries(before)) {
    for (const key of KEPT) assert.deepEqual(after[id]![key], node[key]);
  }
  assert.deepEqual(
    (await project.files("node_data")).filter((name) => name.includes(".part")),
    [],
    "nothing is left beside the node file",
  );
  const plan = JSON.parse(await project.succeed("plan", "--json", "--clusters", "1"));
  assert.equal(plan.event, "plan");
  assert.equal(plan.prediction.clusters[0].stages.length, 3);
  assert.ok(plan.prediction.clusters[0].step_ms > 0);
});

Deno.test("a node that does not answer is named, and the rest is written", async () => {
  await using project = await Project.make({ nodes: 2 });
  const { code, out, err } = await project.run("probe", "--name", "node_0", "--timeout", "1");
  assert.equal(code, 0, err);
  assert.match(err, /warning: node_1 was not measured: .*start it with "ravn probe --name node_1"/);
  assert.match(err, /its benchmarks count as before/);
  assert.match(out, /node_0: .* cores, .* MB free/);
  const nodes = await nodesOf(project);
  assert.ok(nodes["0"]!["probe"] !== undefined);
  assert.equal(nodes["0"]!["links"], undefined);
  assert.equal(nodes["1"]!["probe"], undefined);
});

Deno.test("a node with another token is not measured, and both say so", async () => {
  await using project = await Project.make({ nodes: 2 });
  const probed = (node: number, token: string) =>
    project.start(["probe", "--name", `node_${node}`, "--token", token, "--timeout", "8"]).ended;
  const ends = await Promise.all([probed(0, "one"), probed(1, "another")]);
  assert.match(ends[0]!.err, /node_1 was not measured: .*token/);
  assert.match(ends[1]!.err, /node_0 was not measured/);
});

Deno.test("bad input of probe is one line", async () => {
  await using project = await Project.make({ nodes: 2 });
  const nameless = await project.run("probe");
  assert.equal(nameless.code, 2);
  assert.match(nameless.err, /^ravn: .*2 nodes of this machine: give --name.*node_0, node_1\n$/);
  const unknown = await project.run("probe", "--name", "node_7");
  assert.equal(unknown.code, 2);
  assert.match(unknown.err, /^ravn: .*no node "node_7".*node_0, node_1\n$/);
});
