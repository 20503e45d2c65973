import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { allClusterings } from "./all_clusterings.ts";
import { clustersOf } from "./clustering.ts";
import type { ClusterAssessment } from "./clustering.ts";
import { formClusters } from "./form_clusters.ts";
import { Layouts } from "./layout.ts";
import type { LayoutTerms } from "./layout.ts";
import type { NodeConfig } from "./node_configs.ts";
import { judgeChain, stepTime } from "./pipeline_chain.ts";
import { PipelineCosts } from "./pipeline_costs.ts";
import type { PipelineTerms } from "./pipeline_costs.ts";
import { RangeTable } from "./ranges.ts";
import { BrutePipelines } from "./testing/brute_pipeline.ts";
import { randomPool } from "./testing/random_pool.ts";
import { randomWorkload } from "./testing/random_workload.ts";
import { batchTime } from "./throughput.ts";
import type { Workload } from "./workload.ts";

/** Nodes that are to train a model, and how. */
interface Instance {
  readonly workload: Workload;
  readonly nodes: readonly NodeConfig[];
  readonly terms: LayoutTerms;
  /** Whether clusters wait for each other. */
  readonly reduce_every: "epoch" | "never";
}

function randomInstance(random: Random, count: number, layers: number): Instance {
  const pick = <T>(items: readonly T[]): T => items[random.integer(items.length)]!;
  return {
    workload: randomWorkload(random, layers),
    nodes: randomPool(random, {
      count,
      ram_bytes: random.integer(2) === 0 ? [1e9, 1e9] : [6000, 200_000],
      mbps: pick([[0.5, 20], [5, 100], [100, 1000]]),
      measured: pick([0, 0.5, 1]),
      shared: pick([0, 0, 0.4]),
    }),
    terms: {
      schedule: pick(["async", "async", "1f1b"]),
      in_flight: pick(["auto", "auto", 3]),
      micro_batches: 1 + random.integer(4),
      optimizer_slots: random.integer(3),
      recompute: pick(["auto", "off"]),
      averaging_copies: pick([0, 2, 3]),
      split: "time",
      objective: "throughput",
      nodes_file: "node_configs.json",
    },
    reduce_every: pick(["epoch", "never"]),
  };
}

function termsFor({ terms, nodes }: Instance, stages: number): PipelineTerms {
  return {
    ...terms,
    in_flight: terms.in_flight === "auto" ? stages : terms.in_flight,
    averaging_copies: stages < nodes.length ? terms.averaging_copies ?? 0 : 0,
  };
}

/** The best time of a batch over all clusterings, orders and cuts, ms. */
function bruteForce(instance: Instance): number {
  const { workload, nodes, reduce_every } = instance;
  const times = new Map<string, number>();
  const timeOf = (ids: readonly number[]): number => {
    const brute = new BrutePipelines(workload, termsFor(instance, ids.length));
    return brute.fastest(ids.map((id) => nodes[id]!));
  };
  let best = Infinity;
  for (const genome of allClusterings(nodes.length)) {
    const clusters = clustersOf(genome).map((ids): ClusterAssessment => {
      const key = ids.join();
      const time_ms = times.get(key) ?? timeOf(ids);
      times.set(key, time_ms);
      return { lack_mb: 0, time_ms };
    });
    // Every cluster must hold the model.
    if (clusters.every(({ time_ms }) => time_ms < Infinity)) {
      best = Math.min(best, batchTime(clusters, { reduce_every }));
    }
  }
  return best;
}

/** The time of a batch of what planning makes of it, ms; Infinity where it finds nothing. */
function planned(instance: Instance): number {
  const { workload, nodes, terms, reduce_every } = instance;
  const layouts = new Layouts(workload, terms, nodes);
  const { clusters, fitness } = formClusters({
    nodes: nodes.length,
    size_max: layouts.size_max,
    assess: (ids) => layouts.assess(ids.map((id) => nodes[id]!)),
    batchTime: (assessed) => batchTime(assessed, { reduce_every }),
  }, new Random(1));
  if (fitness.unfit > 0 || fitness.excess > 0) return Infinity;
  const assessed = clusters.map((ids): ClusterAssessment => {
    const members = ids.map((id) => nodes[id]!);
    const layout = layouts.layOut(members, { isFixed: false, advice: "" });
    const table = new RangeTable(workload, layout.begins);
    const all = layout.nodes.map((_, place) => place);
    const costs = new PipelineCosts(
      table,
      layout.nodes,
      termsFor(instance, ids.length),
      all.map(() => 1),
    );
    const chain = judgeChain(costs, all, [...all, all.length]);
    return { lack_mb: 0, time_ms: stepTime(costs, chain) };
  });
  return batchTime(assessed, { reduce_every });
}

/** Plans random instances and asks brute force of each. */
function compare(
  seed: number,
  trials: number,
  sizeOf: (random: Random) => [number, number],
): number {
  const random = new Random(seed);
  let feasible = 0;
  for (let trial = 0; trial < trials; trial++) {
    const [count, layers] = sizeOf(random);
    const instance = randomInstance(random, count, layers);
    const best_ms = bruteForce(instance);
    const found_ms = planned(instance);
    assert.equal(found_ms === Infinity, best_ms === Infinity, `trial ${trial}`);
    if (best_ms === Infinity) continue;
    feasible++;
    const ratio = found_ms / best_ms;
    assert.ok(ratio >= 1 - 1e-9 && ratio <= 1.01, `trial ${trial}: ${ratio} of the best`);
  }
  return feasible;
}

Deno.test("throughput: up to 6 nodes and 9 layers are planned within 1 % of the best", () => {
  const feasible = compare(41, 60, (random) => [2 + random.integer(5), 2 + random.integer(8)]);
  assert.ok(feasible > 25, `only ${feasible} instances fit`);
});

Deno.test("throughput: 8 nodes and 12 layers are planned within 1 % of the best", () => {
  const feasible = compare(42, 4, () => [8, 12]);
  assert.ok(feasible > 1, `only ${feasible} instances fit`);
});
