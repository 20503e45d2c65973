import assert from "node:assert/strict";
import { digitsCnn } from "../../models/mod.ts";
import { RavnError } from "../error.ts";
import { Random } from "../random.ts";
import { clusterWork } from "./cluster_work.ts";
import { parseNodeConfigs } from "./node_configs.ts";
import type { NodeConfig } from "./node_configs.ts";
import { makePlan } from "./plan.ts";
import type { PlanInput } from "./plan.ts";
import { parsePlan } from "./plan_schema.ts";
import type { Plan } from "./plan_schema.ts";
import { predict } from "./predict.ts";
import { alike, planInput, poolOf, walkthroughNodes } from "./testing/plan_inputs.ts";
import { checkPlan } from "./testing/plan_invariants.ts";
import { randomGraph } from "./testing/random_graph.ts";

const digits = digitsCnn({ seed: 42 });

function planned(nodes: readonly NodeConfig[], changes: Partial<PlanInput> = {}): Plan {
  const input = planInput(digits, nodes, changes);
  const plan = makePlan(input);
  checkPlan(plan, input);
  return plan;
}

/** Predicted samples a second of all clusters, which wait for each other. */
function rateOf(plan: Plan, nodes: readonly NodeConfig[]): number {
  const rates = plan.clusters.map(({ id }) => predict(clusterWork(plan, id, nodes)).samples_per_s);
  return rates.length * Math.min(...rates);
}

Deno.test("throughput is never predicted lower than balance, on uneven pools much higher", () => {
  const random = new Random(51);
  const gains: number[] = [];
  for (let trial = 0; trial < 8; trial++) {
    const nodes = poolOf(
      Array.from({ length: 2 + random.integer(8) }, () => ({
        ram: 1,
        bandwidth: 10 ** (1 + 3 * random.uniform()),
        speed: 0.25 + 4 * random.uniform(),
      })),
    );
    const fast = planned(nodes, { objective: "throughput" });
    assert.equal(fast.objective, "throughput");
    gains.push(rateOf(fast, nodes) / rateOf(planned(nodes), nodes));
  }
  assert.ok(Math.min(...gains) > 0.98, gains.join());
  assert.ok(gains.some((gain) => gain > 1.5), gains.join());
});

Deno.test("the order of the nodes follows the links that were measured", () => {
  const link = (bandwidth_mbps: number) => ({
    bandwidth_mbps,
    latency_ms: bandwidth_mbps < 1 ? 50 : 0,
  });
  // node_1 is far from node_0, and node_2 is near both
  const links = [{ node_1: link(0.5), node_2: link(1e5) }, { node_2: link(1e5) }, {}];
  const entries = links.map((links, id) => {
    const benchmarks = { ram: 1, bandwidth: 1000 };
    return [id, { IP: `host${id}:80`, benchmarks, links }] as const;
  });
  const nodes = parseNodeConfigs(JSON.stringify(Object.fromEntries(entries)), "nodes.json");
  const { clusters } = planned(nodes, { objective: "throughput", clusters: 1 });
  assert.equal(clusters[0]!.nodes[1], 2);
});

Deno.test("given clusters keep their order for throughput too", () => {
  const changes = { objective: "throughput", clusters: [[2, 0, 1], [4, 3]] } as const;
  const { clusters } = planned(alike(5), changes);
  assert.deepEqual(clusters.map(({ nodes }) => nodes), [[2, 0, 1], [4, 3]]);
});

Deno.test("throughput goes with the cut by time only", () => {
  assert.throws(
    () => planned(alike(2), { objective: "throughput", split: "params" }),
    (thrown) =>
      thrown instanceof RavnError &&
      thrown.message === 'objective throughput goes with "split: time", got "split: params"',
  );
});

Deno.test("random networks are planned for throughput", () => {
  const random = new Random(52);
  let plans = 0;
  for (let trial = 0; trial < 25; trial++) {
    const input = planInput(
      randomGraph(random, 3 + random.integer(16)),
      poolOf(
        Array.from({ length: 1 + random.integer(7) }, () => ({
          ip: `h${random.integer(6)}:${8000 + trial * 100 + random.integer(1e4)}`,
          ram: random.integer(3) === 0 ? (60 + random.integer(60)) / 2 ** 20 : 1,
          bandwidth: 1 + random.integer(1000),
          speed: 1 + random.integer(3),
        })),
      ),
      {
        objective: "throughput",
        schedule: (["async", "gpipe", "1f1b", "zb"] as const)[random.integer(4)]!,
        micro_batches: 1 + random.integer(4),
        averaging_copies: random.integer(4),
      },
    );
    try {
      const plan = makePlan(input);
      checkPlan(plan, input);
      for (const { id } of plan.clusters) {
        assert.ok(predict(clusterWork(plan, id, input.nodes)).step_ms > 0);
      }
      plans++;
    } catch (thrown) {
      if (!(thrown instanceof RavnError)) throw thrown;
    }
  }
  assert.ok(plans > 12, `only ${plans} of 25 could be planned`);
});

Deno.test("averaging takes memory where there are several clusters, and only there", () => {
  const several = planned(alike(4), { averaging_copies: 3, clusters: 2 });
  for (const { stages } of several.clusters) {
    for (const { memory, parameter_count } of stages) {
      assert.equal(memory.averaging, 3 * 4 * parameter_count);
    }
  }
  const one = planned(alike(3), { averaging_copies: 3, clusters: 1 });
  assert.ok(one.clusters[0]!.stages.every(({ memory }) => memory.averaging === 0));
});

Deno.test("a cluster that averaging makes too large says so", () => {
  const { clusters } = planned(alike(2), { clusters: 2 });
  const ram = (clusters[0]!.stages[0]!.memory.total + 100) / 2 ** 30;
  assert.throws(
    () => planned(alike(2, { ram }), { clusters: 2, averaging_copies: 2 }),
    /node_0 lacks [\d.]+ MB, and averaging with other clusters takes 0.13 MB of it\).*form fewer/,
  );
});

Deno.test("a plan as numbers: bytes on each link, times, cores and memory", () => {
  const nodes = walkthroughNodes().map((node) => ({ ...node, probe: { cores: 2 } }));
  const plan = planned(nodes);
  const work = clusterWork(plan, 0, nodes, { overhead_ms: 0.5, cores_used: 1.5 });
  const { stages } = plan.clusters[0]!;
  for (const { stage, bytes_sent } of stages) {
    const sent = work.links.filter(({ from }) => from === stage);
    assert.equal(sent.reduce((sum, { bytes }) => sum + bytes, 0), bytes_sent);
  }
  assert.deepEqual([...work.cores], [["0.0.0.0", 2]]);
  assert.deepEqual(
    work.stages.map(({ memory_bytes }) => memory_bytes),
    stages.map(({ memory }) => memory.total),
  );
  assert.ok(work.stages.every(({ update_ms }) => update_ms > 0));
  const { step_ms, limits } = predict(work);
  assert.ok(step_ms >= limits[0]!.step_ms * (1 - 1e-9));
  assert.throws(() => clusterWork(plan, 1, nodes), RangeError);
  assert.throws(() => clusterWork(plan, 0, nodes.slice(0, 2)), RangeError);
});

Deno.test("a plan without the newer fields is read with their defaults", () => {
  const plan = planned(alike(2));
  const { objective: _, ...rest } = plan;
  const text = JSON.stringify(rest, (key, value) => {
    return key === "averaging" || key === "update_ms" ? undefined : value;
  });
  const read = parsePlan(text, "plan.json");
  assert.equal(read.objective, "balance");
  assert.equal(read.clusters[0]!.stages[0]!.predicted.update_ms, 0);
  assert.equal(read.clusters[0]!.stages[0]!.memory.averaging, 0);
});
