import assert from "node:assert/strict";
import { modelledPool } from "../core/simulation/mod.ts";
import { Random } from "../core/random.ts";
import { simulate as simulateRun } from "../core/run/simulate.ts";
import type { SimulateReport } from "../core/run/simulate_requests.ts";
import { verbs } from "./main.ts";
import { runCommandLine } from "./shell.ts";
import { simulate } from "./simulate.ts";
import { fakeEngine, fakeShell, optionsOf } from "./testing.ts";

const DEFAULTS = {
  seed: 0,
  steps: 100,
  updateFrequency: 1,
  reduceDelay: 0,
  overhead: 0,
  latency: 0.5,
  noise: 0.05,
  jitter: 0.2,
  faults: [],
};

/** What the verb prints, and its exit code. */
async function printed(...words: string[]) {
  const shell = fakeShell({ engine: fakeEngine({ simulate: simulateRun }) });
  const code = await runCommandLine(["simulate", ...words], verbs, shell);
  return { code, out: shell.out.text, err: shell.err.text };
}

Deno.test("options", () => {
  assert.deepEqual(optionsOf(simulate, []), DEFAULTS);
  const words = "p.json --nodes 12 --seed 3 --steps 5 --schedule zb --micro-batches 8 " +
    "--update-frequency 2 --reduce-every 10 --reduce-delay 2 --overhead 0.2 --latency 0 " +
    "--noise 0 --jitter 1.5 " +
    "--layers 3 --width 4 --batch 5 --clusters 2 --objective throughput --trace t.json";
  assert.deepEqual(optionsOf(simulate, words.split(" ")), {
    plan: "p.json",
    nodes: 12,
    seed: 3,
    steps: 5,
    schedule: "zb",
    microBatches: 8,
    updateFrequency: 2,
    reduceEvery: 10,
    reduceDelay: 2,
    overhead: 0.2,
    latency: 0,
    noise: 0,
    jitter: 1.5,
    layers: 3,
    width: 4,
    batch: 5,
    clusters: 2,
    objective: "throughput",
    trace: "t.json",
    faults: [],
  });
  assert.equal(optionsOf(simulate, ["--nodes", "pool.json"]).nodes, "pool.json");
});

Deno.test("faults", () => {
  const words = "--slow node_3:4x --slow b:1.5x@10-20.5 --slow-link a/b:off@2-3 --kill c.d@12.5";
  assert.deepEqual(optionsOf(simulate, words.split(" ")).faults, [
    { type: "slow", node: "node_3", begin_ms: 0, end_ms: Infinity, factor: 4 },
    { type: "slow", node: "b", begin_ms: 10_000, end_ms: 20_500, factor: 1.5 },
    { type: "link", nodes: ["a", "b"], begin_ms: 2000, end_ms: 3000, factor: Infinity },
    { type: "kill", node: "c.d", at_ms: 12_500 },
  ]);
});

Deno.test("bad values are refused by name", () => {
  const refused = (words: string, expected: RegExp) =>
    assert.throws(() => optionsOf(simulate, words.split(" ")), expected);
  refused("--seed -1", /--seed.*whole number of at least 0/i);
  refused("--seed 1.5", /--seed.*whole number/i);
  refused("--steps 0", /--steps.*at least 1/i);
  refused("--nodes 0", /--nodes.*1 to 100000 nodes/i);
  refused("--nodes -5", /--nodes.*1 to 100000 nodes/i);
  refused("--noise -1", /--noise.*at least 0/i);
  refused("--schedule fast", /Allowed choices/);
  refused("--slow node_3", /node_3:4x/);
  refused("--slow node_3:off@1-2", /node_3:4x/);
  refused("--slow node_3:0x", /node_3:4x/);
  refused("--slow node_3:4x@9-3", /node_3:4x/);
  refused("--slow-link node_1:4x", /node_1\/node_2/);
  refused("--slow-link a/b:off", /off@5-8/);
  refused("--kill node_3", /node_3@12\.5/);
});

Deno.test("every example is one that the options take", () => {
  for (const [example] of simulate.examples) {
    const words = example.split(" ").slice(2);
    assert.doesNotThrow(() => optionsOf(simulate, words), example);
  }
});

Deno.test("tables for people, all numbers for programs", async () => {
  const small = [
    "--nodes",
    "12",
    "--clusters",
    "2",
    "--layers",
    "8",
    "--width",
    "64",
    "--steps",
    "10",
  ];
  const { code, out } = await printed(...small);
  assert.equal(code, 0);
  assert.match(out, /12 nodes in 2 clusters, seed 0\n10 updates in \d+\.\d+ s of virtual time: /);
  assert.match(out, /^late by 0, 1, 2, … updates: [\d, ]+$/m);
  assert.match(out, /^averaged 1 times: /m);
  assert.match(out, /^cluster +stages +step ms +predicted ms +bubble %$/m);
  assert.match(out, /^node_\d+ +1 +\d +\d/m);
  assert.match(out, /^from +to +messages +bytes +busy % +waiting +at most$/m);
  const json = await printed(...small, "--json");
  const event: SimulateReport & { event: string } = JSON.parse(json.out);
  assert.equal(event.event, "simulation");
  assert.equal(event.stages.length, 12);
  assert.ok(event.links.length > 20);
  assert.equal(json.out, (await printed(...small, "--json")).out);
});

Deno.test("a simulated loss ends like a real one", async () => {
  const { code, out, err } = await printed("--kill", "node_2@0.5", "--nodes", "4");
  assert.equal(code, 1);
  assert.match(out, /updates in/);
  const { address } = modelledPool(4, new Random(0).fork("nodes"))[2]!;
  const lost = `^ravn: node_\\d lost node_2 at ${address.text} after 4\\.50 s: nothing was heard`;
  assert.match(err, new RegExp(lost));
  assert.equal(err.split("\n").length, 2);
});
