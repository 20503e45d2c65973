import assert from "node:assert/strict";
import { parseNodeConfigs, parsePlan, wayBetween } from "../planning/mod.ts";
import type { NodeConfig, Plan } from "../planning/mod.ts";
import { Random } from "../random.ts";
import { modelledPlan } from "./modelled_plan.ts";
import { modelledPool } from "./modelled_pool.ts";
import { checkNodes, clustersOf, rescheduled, scaledPlan } from "./planned.ts";
import { simulate } from "./simulate.ts";
import { shapeOf } from "./testing/random_run.ts";

const TERMS = { update_frequency: 1, overhead_ms: 0, latency_ms: 0.5 };

function poolOf(count: number, seed = 1): NodeConfig[] {
  return modelledPool(count, new Random(seed));
}

function planFor(nodes: readonly NodeConfig[], clusters: number): Plan {
  const training = { layers: 10, width: 64, batch_size: 16, micro_batches: 1, seed: 1 };
  return modelledPlan({ nodes, ...training, schedule: "async", objective: "balance", clusters });
}

/** A short run of a plan, an average at its end. */
function run(plan: Plan, nodes: readonly NodeConfig[]) {
  const clusters = clustersOf(plan, nodes, TERMS);
  return simulate({
    clusters,
    shape: shapeOf(clusters[0]!.work, 12, clusters.length > 1 ? { reduce_every: 0 } : {}),
    wayBetween: (a, b) => wayBetween(nodeAt(a), nodeAt(b)),
    seed: 1,
    noise: 0.1,
    jitter: 0.5,
  });
  function nodeAt({ cluster, stage }: { readonly cluster: number; readonly stage: number }) {
    return nodes[plan.clusters[cluster]!.stages[stage]!.node]!;
  }
}

Deno.test("a made-up pool is uneven, and the same for the same seed", () => {
  const pool = poolOf(300);
  assert.deepEqual(poolOf(300), pool);
  assert.deepEqual(poolOf(20), pool.slice(0, 20));
  assert.notDeepEqual(poolOf(300, 2), pool);
  for (const { speed, bandwidth_mbps, address } of pool) {
    assert.ok(speed >= 0.5 && speed <= 2 && bandwidth_mbps >= 100 && bandwidth_mbps <= 1000);
    assert.match(address.text, /^10\.0\.\d+\.\d+:8080$/);
  }
  const speeds = pool.map(({ speed }) => speed);
  assert.ok(Math.max(...speeds) > 2 * Math.min(...speeds));
});

Deno.test("a made-up plan is a plan, and trains", () => {
  const nodes = poolOf(50);
  const plan = planFor(nodes, 9);
  assert.deepEqual(parsePlan(JSON.stringify(plan), "plan.json"), plan);
  assert.equal(plan.clusters.length, 9);
  assert.equal(plan.node_info.length, 50);
  const result = run(plan, nodes);
  assert.equal(result.nodes, 50);
  assert.equal(result.updates, 12);
  assert.equal(result.averaging?.rounds, 1);
  assert.deepEqual(run(plan, nodes), result);
});

Deno.test("a plan is copied as often as the nodes suffice", () => {
  const plan = planFor(poolOf(4), 1);
  const nodes = poolOf(15, 7);
  const scaled = scaledPlan(plan, nodes);
  assert.deepEqual(scaled.clusters.map(({ nodes }) => nodes), [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 9, 10, 11],
  ]);
  assert.deepEqual(parsePlan(JSON.stringify(scaled), "plan.json"), scaled);
  const [before, after] = [plan.clusters[0]!.stages[2]!, scaled.clusters[1]!.stages[2]!];
  assert.equal(after.name, "node_6");
  assert.equal(after.predicted.forward_ms, before.predicted.forward_ms / nodes[6]!.speed);
  assert.equal(run(scaled, nodes).nodes, 12);
  assert.throws(() => scaledPlan(plan, nodes.slice(0, 3)), /--nodes 3.*alone has 4 nodes/);
});

Deno.test("another number of micro-batches scales their times", () => {
  const plan = planFor(poolOf(4), 1);
  const cut = rescheduled(plan, { schedule: "1f1b", microBatches: 4 });
  const [before, after] = [plan.clusters[0]!.stages[1]!, cut.clusters[0]!.stages[1]!];
  assert.equal(after.predicted.backward_ms, before.predicted.backward_ms / 4);
  assert.equal(after.predicted.update_ms, before.predicted.update_ms);
  assert.equal(cut.schedule, "1f1b");
  assert.deepEqual(rescheduled(plan, {}), plan);
});

Deno.test("a plan for other nodes is refused", () => {
  const nodes = poolOf(4);
  const plan = planFor(nodes, 1);
  checkNodes(plan, nodes, "node_configs.json");
  const other = nodes.map((node) => node.id === 2 ? { ...node, name: "else" } : node);
  assert.throws(
    () => checkNodes(plan, other, "n.json"),
    /^RavnError: n\.json: node 2: the plan has "node_2" at 10\.0\.0\.2:8080, found "else"/,
  );
  assert.throws(() => checkNodes(plan, nodes.slice(0, 3), "n.json"), /node 3: .* found nothing/);
});

Deno.test("measured links count, and those that were not get the latency", () => {
  const file = JSON.stringify(Object.fromEntries([0, 1].map((id) => [id, {
    IP: `10.0.0.${id}:8080`,
    benchmarks: { ram: 8, bandwidth: 100 },
    ...(id === 0 ? { links: { "1": { bandwidth_mbps: 40, latency_ms: 7 } } } : {}),
  }])));
  const measured = parseNodeConfigs(file, "n.json");
  const plan = planFor(measured, 1);
  const [{ work }] = clustersOf(plan, measured, TERMS) as [ReturnType<typeof clustersOf>[number]];
  assert.deepEqual(work.links.map(({ latency_ms }) => latency_ms), [7, 7]);
  const plain = poolOf(2);
  const [{ work: { links } }] = clustersOf(planFor(plain, 1), plain, TERMS) as [
    ReturnType<typeof clustersOf>[number],
  ];
  assert.deepEqual(links.map(({ latency_ms }) => latency_ms), [0.5, 0.5]);
});
