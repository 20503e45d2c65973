import assert from "node:assert/strict";
import { join } from "node:path";
import { modelledPlan, modelledPool } from "../simulation/mod.ts";
import { Random } from "../random.ts";
import { simulate } from "./simulate.ts";
import { SIMULATED } from "./simulate_requests.ts";
import type { SimulateRequest } from "./simulate_requests.ts";

const REQUEST: SimulateRequest = { ...SIMULATED, seed: 1, steps: 20 };

/** A folder with the plan and the node file of nine nodes, in two clusters. */
async function plannedFolder(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const nodes = modelledPool(9, new Random(3));
  const plan = modelledPlan({
    nodes,
    layers: 8,
    width: 64,
    batch_size: 32,
    micro_batches: 1,
    schedule: "async",
    seed: 1,
    objective: "balance",
    clusters: 2,
  });
  const file = Object.fromEntries(nodes.map(({ id, address, ram_gb, bandwidth_mbps }) => [id, {
    IP: address.text,
    benchmarks: { ram: ram_gb, bandwidth: bandwidth_mbps },
  }]));
  await Deno.writeTextFile(join(folder, "plan.json"), JSON.stringify(plan));
  await Deno.writeTextFile(join(folder, "node_configs.json"), JSON.stringify(file));
  return folder;
}

Deno.test("a plan is simulated with the node file beside it, or scaled", async () => {
  const folder = await plannedFolder();
  try {
    const plan = join(folder, "plan.json");
    const report = await simulate({ ...REQUEST, plan });
    assert.equal(report.nodes, 9);
    assert.equal(report.clusters.length, 2);
    assert.equal(report.updates, 20);
    assert.equal(report.averaging?.rounds, 1);
    assert.deepEqual(await simulate({ ...REQUEST, plan }), report);
    const scaled = await simulate({ ...REQUEST, plan, nodes: 20 });
    const sizes = report.clusters.map(({ stages }) => stages);
    assert.deepEqual(scaled.clusters.map(({ stages }) => stages).slice(0, 4), [...sizes, ...sizes]);
    const synchronous = { plan, schedule: "zb", microBatches: 4, reduceEvery: 5 } as const;
    const other = await simulate({ ...REQUEST, ...synchronous });
    assert.equal(other.averaging?.rounds, 4);
    assert.deepEqual(other.staleness, [20 * 4 * 9]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("without a plan there is a made-up one", async () => {
  const made = { ...REQUEST, layers: 6, width: 32, nodes: 4 };
  const report = await simulate(made);
  assert.equal(report.nodes, 4);
  assert.match(report.title, /^6 dense layers of 32 units, made up, schedule async$/);
  assert.notEqual((await simulate({ ...made, seed: 2 })).wall_ms, report.wall_ms);
});

Deno.test("what cannot be simulated is said in one line", async () => {
  const folder = await plannedFolder();
  const path = (name: string) => join(folder, name);
  const fails = (changes: Partial<SimulateRequest>, expected: RegExp) =>
    assert.rejects(simulate({ ...REQUEST, ...changes }), (error: Error) => {
      assert.equal(error.name, "RavnError");
      assert.doesNotMatch(error.message, /\n/);
      assert.match(error.message, expected);
      return true;
    });
  try {
    const plan = path("plan.json");
    const text = await Deno.readTextFile(plan);
    await Deno.writeTextFile(path("broken.json"), text.slice(0, -9));
    await Deno.writeTextFile(
      path("newer.json"),
      JSON.stringify({ ...JSON.parse(text), format: 2 }),
    );
    await Deno.writeTextFile(
      path("one.json"),
      '{"0":{"IP":"a:1","benchmarks":{"ram":1,"bandwidth":1}}}',
    );
    await fails({ plan: path("none.json") }, /none\.json does not exist: run ravn clusterize/);
    await fails({ plan: path("broken.json") }, /broken\.json: line \d+/);
    await fails({ plan: path("newer.json") }, /format 2 are not known/);
    await fails({ plan: path("node_configs.json") }, /run clusterize again/);
    await fails({ plan, nodes: path("none.json") }, /none\.json does not exist: name the plan's/);
    await fails({ plan, nodes: path("one.json") }, /one\.json: node 0: the plan has "node_0"/);
    await fails({ plan, width: 9 }, /--width is for a made-up plan/);
    await fails({ nodes: path("one.json") }, /a node file goes with a plan/);
    await fails({ nodes: 3, reduceEvery: 2 }, /--reduce-every: the plan has one cluster/);
    const kill = { type: "kill", node: "nod_3", at_ms: 1 } as const;
    await fails({ plan, faults: [kill] }, /no node is called "nod_3": did you mean "node_3"\?/);
    await fails({ steps: 9000, trace: path("t.json") }, /--trace: 9000 steps of 8 nodes are too/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a trace shows every operation, and every message with both its ends", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "trace.json");
    const report = await simulate({ ...REQUEST, nodes: 3, layers: 3, width: 32, trace: file });
    assert.equal(report.file, file);
    const events: { ph: string; name: string; ts?: number; dur?: number; cat?: string }[] = JSON
      .parse(await Deno.readTextFile(file));
    const computed = events.filter(({ ph, cat }) => ph === "X" && cat === "compute");
    // Forward and backward on two stages, one step on the last, and the updates of all three.
    assert.equal(computed.length, (2 * 2 + 1 + 3) * 20);
    const begun = events.filter(({ ph }) => ph === "s").length;
    assert.equal(begun, events.filter(({ ph }) => ph === "f").length);
    assert.ok(begun >= 2 * 2 * 20);
    const end = Math.max(...computed.map(({ ts = 0, dur = 0 }) => ts + dur));
    assert.ok(Math.abs(end / 1000 - report.wall_ms) < 0.01);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a killed node is named in the report", async () => {
  const made = { ...REQUEST, nodes: 4, layers: 8, steps: 500 };
  const faults = [{ type: "kill", node: "node_1", at_ms: 40 }] as const;
  const { loss } = await simulate({ ...made, faults });
  assert.equal(loss?.node, "node_1");
  assert.equal(loss?.address, "10.0.0.1:8080");
  assert.ok(loss!.at_ms <= 5040);
});
