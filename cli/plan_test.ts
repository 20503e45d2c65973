import assert from "node:assert/strict";
import { plan } from "./plan.ts";
import { probe } from "./probe.ts";
import { runCommandLine } from "./shell.ts";
import { fakeEngine, fakeShell, optionsOf, PLAN } from "./testing.ts";
import type { PlanReport, ProbeReport } from "../core/run/requests.ts";

const EXPLAINED: PlanReport = {
  ...PLAN,
  explanation: {
    prediction: {
      samples_per_s: 6400,
      clusters: [{
        step_ms: 10,
        samples_per_s: 6400,
        bubble: 0.25,
        stages: ["node_0", "node_1"].map((node) => ({
          node,
          forward_ms: 3,
          backward_ms: 5,
          weights_ms: 1,
          update_ms: 0.5,
          overhead_ms: 0.25,
          waiting_ms: 0.25,
          memory_bytes: 3 * 2 ** 20,
          ram_bytes: 2 ** 30,
        })),
        links: [{ from: "node_0", to: "node_1", bytes: 2048, busy_ms: 2.5 }],
        limits: [
          { kind: "compute", what: "compute of node_1", step_ms: 10 },
          { kind: "link", what: "link node_0 → node_1", step_ms: 2.5 },
        ],
      }],
    },
    changes: [{
      what: "in_flight: 4",
      gain_percent: 12.4,
      samples_per_s: 7194,
      note: "older weights, more memory",
    }],
  },
  diff: {
    settings: [{ key: "split", before: "params", after: "time" }],
    clusters: [{ cluster: 0, before_ms: 12, after_ms: 10 }],
    nodes: [],
    moved: [{ cluster: 0, from: "node_0", to: "node_1", operators: ["conv_1", "act_1"] }],
  },
};

const PROBED: ProbeReport = {
  node: "node_0",
  cores: 2,
  memory_mb: 1000,
  operators_ms: 1.5,
  links: [{
    node: "node_1",
    address: "10.0.0.2:8080",
    via: "tcp",
    out_mbps: 940,
    in_mbps: 930,
    latency_ms: 0.25,
    speed: 2,
  }],
  missing: [{ node: "node_2", why: "it did not connect" }],
  file: "node_data/node_configs.json",
};

const VERBS = [
  { name: "plan", summary: "", load: () => Promise.resolve(plan) },
  { name: "probe", summary: "", load: () => Promise.resolve(probe) },
];

async function ran(...words: string[]) {
  const engine = fakeEngine({
    plan: () => Promise.resolve(EXPLAINED),
    probe: () => Promise.resolve(PROBED),
  });
  const shell = fakeShell({ engine });
  assert.equal(await runCommandLine(words, VERBS, shell), 0);
  return { out: shell.out.text, err: shell.err.text };
}

Deno.test("the options of plan and probe", () => {
  const nodes = "node_data/node_configs.json";
  assert.deepEqual(optionsOf(plan, []), { nodes });
  assert.deepEqual(
    optionsOf(plan, "m.onnx --diff p.json --clusters 2 --objective throughput".split(" ")),
    { nodes, model: "m.onnx", diff: "p.json", clusters: 2, objective: "throughput" },
  );
  assert.throws(() => optionsOf(plan, ["--objective", "fun"]), /Allowed choices/);
  assert.deepEqual(optionsOf(probe, []), { nodes });
  assert.deepEqual(
    optionsOf(probe, "--name node_1 --nodes n.json --token secret --timeout 2.5".split(" ")),
    { name: "node_1", nodes: "n.json", token: "secret", timeout_s: 2.5 },
  );
  assert.deepEqual(optionsOf(probe, [], (name) => `${name}!`), { nodes, token: "RAVN_TOKEN!" });
});

Deno.test("plan shows speed, stages, links, what would help and what differs", async () => {
  const { out } = await ran("plan", "--diff", "p.json");
  assert.match(
    out,
    /cluster 0, everything counted: 10\.0 ms a step, 6,400 samples\/s, bubble 25 %/,
  );
  assert.match(out, /limited by compute of node_1 \(10\.0 ms\), then link node_0 → node_1/);
  assert.match(out, /node_0 +3\.00 +6\.00 +0\.500 +0\.250 +0\.250 +3\.0 MiB of +1\.0 GiB/);
  assert.match(out, /node_0 → node_1 +2\.0 KiB +2\.50 +25/);
  assert.match(out, /\+12 % {2}in_flight: 4 \(older weights, more memory\)/);
  assert.match(out, /from p\.json to this plan\nsplit: params → time\n/);
  assert.match(out, /cluster 0: 12\.0 ms a step → 10\.0 ms a step \(speed \+20 %\)/);
  assert.match(out, /cluster 0: conv_1 … act_1 \(2\): node_0 → node_1/);
});

Deno.test("plan --json is one object with all of it", async () => {
  const { out } = await ran("plan", "--diff", "p.json", "--json");
  assert.deepEqual(JSON.parse(out), {
    event: "plan",
    plan: PLAN.plan,
    files: [],
    ...EXPLAINED.explanation,
    diff: EXPLAINED.diff,
  });
});

Deno.test("probe shows links, and names who is missing", async () => {
  const { out, err } = await ran("probe");
  assert.match(out, /node_0: 2 cores, 1000 MB free, 1\.50 ms for the model's operators/);
  assert.match(out, /node_1 \(10\.0\.0\.2:8080\) +tcp +940 +930 +0\.250 +2\n/);
  assert.match(err, /warning: node_2 was not measured: it did not connect; its benchmarks count/);
  assert.deepEqual(JSON.parse((await ran("probe", "--json")).out), { event: "probe", ...PROBED });
});
