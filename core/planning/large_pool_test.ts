import assert from "node:assert/strict";
import process from "node:process";
import { Random } from "../random.ts";
import { bestOfAll } from "./all_clusterings.ts";
import type { ClusteringProblem } from "./clustering.ts";
import { largePoolClustering } from "./large_pool.ts";
import { makePlan } from "./plan.ts";
import { planInput } from "./testing/plan_inputs.ts";
import { randomGraph } from "./testing/random_graph.ts";
import { randomPool } from "./testing/random_pool.ts";
import { batchTime } from "./throughput.ts";

/** Clusters that share the work by speed, and lose some of it to each border. */
function problemOf(random: Random, nodes: number): ClusteringProblem {
  const speeds = Array.from({ length: nodes }, () => 0.5 + random.uniform());
  return {
    nodes,
    size_max: 1 + random.integer(nodes),
    strength: (node) => speeds[node]!,
    assess: (ids) => ({
      lack_mb: Math.max(0, 3 - ids.length),
      time_ms: (100 + ids.length) / ids.reduce((sum, id) => sum + speeds[id]!, 0),
    }),
    batchTime: (clusters) => batchTime(clusters, {}),
  };
}

Deno.test("the descent for large pools comes near the optimum of small ones", () => {
  const random = new Random(61);
  for (let trial = 0; trial < 20; trial++) {
    const problem = problemOf(random, 8);
    const best = bestOfAll(problem).fitness;
    const found = largePoolClustering(problem, new Random(trial)).fitness;
    assert.equal(found.unfit, best.unfit);
    assert.equal(found.excess, best.excess);
    assert.ok(found.batch_ms <= 1.05 * best.batch_ms, `${found.batch_ms} of ${best.batch_ms}`);
  }
});

Deno.test("1,000 nodes and 2,000 operators are planned in seconds", () => {
  const random = new Random(62);
  const nodes = randomPool(random, {
    count: 1000,
    ram_bytes: [1e6, 1e9],
    mbps: [10, 1000],
    measured: 0,
    shared: 0.1,
  });
  const input = planInput(randomGraph(random, 2000), nodes, {
    objective: "throughput",
    averaging_copies: 2,
    reduce_every: 10,
  });
  const before = process.cpuUsage();
  const plan = makePlan(input);
  const { user, system } = process.cpuUsage(before);
  const cpu_s = (user + system) / 1e6;
  assert.ok(cpu_s < 30, `it took ${cpu_s} s of processor time`);
  assert.equal(plan.node_info.length, 1000);
  const names = input.graph.nodes.map(({ name }) => name);
  for (const { stages } of plan.clusters) {
    assert.deepEqual(stages.flatMap(({ operators }) => operators), names);
    for (const { memory, node } of stages) {
      assert.ok(memory.total <= nodes[node]!.ram_gb * 2 ** 30);
    }
  }
});
