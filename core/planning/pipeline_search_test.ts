import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { cutPositions } from "./cut_positions.ts";
import { stepTime } from "./pipeline_chain.ts";
import { PipelineCosts } from "./pipeline_costs.ts";
import type { PipelineTerms } from "./pipeline_costs.ts";
import { searchPipeline, THOROUGH } from "./pipeline_search.ts";
import { RangeTable } from "./ranges.ts";
import { BrutePipelines } from "./testing/brute_pipeline.ts";
import { randomPool } from "./testing/random_pool.ts";
import { randomWorkload } from "./testing/random_workload.ts";

function randomTerms(random: Random, stages: number): PipelineTerms {
  const pick = <T>(items: readonly T[]): T => items[random.integer(items.length)]!;
  return {
    schedule: pick(["async", "async", "1f1b"]),
    in_flight: pick([stages, stages, 1 + random.integer(8)]),
    micro_batches: 1 + random.integer(4),
    optimizer_slots: random.integer(3),
    recompute: pick(["auto", "on", "off"]),
  };
}

Deno.test("order and cut are within 1 % of the best of all orders and cuts", () => {
  const random = new Random(31);
  let feasible = 0;
  for (let trial = 0; trial < 150; trial++) {
    const count = 2 + random.integer(4);
    const workload = randomWorkload(random, count + random.integer(13 - count));
    const terms = randomTerms(random, count);
    const nodes = randomPool(random, {
      count,
      ram_bytes: random.integer(2) === 0 ? [1e9, 1e9] : [4000, 60_000],
      mbps: random.integer(2) === 0 ? [0.5, 20] : [20, 1000],
      measured: random.integer(2) * random.uniform(),
      shared: random.integer(2) * 0.5,
    });
    const table = new RangeTable(workload, cutPositions(workload));
    const costs = new PipelineCosts(table, nodes, terms, nodes.map(() => 1));
    const best_ms = new BrutePipelines(workload, terms).fastest(nodes);
    const chain = searchPipeline(costs, THOROUGH);
    assert.equal(chain === undefined, best_ms === Infinity, `trial ${trial}`);
    if (chain === undefined) continue;
    feasible++;
    const ratio = stepTime(costs, chain) / best_ms;
    assert.ok(ratio >= 1 - 1e-9 && ratio <= 1.01, `trial ${trial}: ${ratio}`);
  }
  assert.ok(feasible > 60, `only ${feasible} instances fit`);
});
