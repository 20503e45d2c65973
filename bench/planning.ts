/**
 * Planning of 1,000 uneven nodes and 2,000 operators, against the 10 seconds that it may take. The
 * argument names the bench.
 */
import process from "node:process";
import { makePlan, OBJECTIVES } from "../core/planning/mod.ts";
import { planInput } from "../core/planning/testing/plan_inputs.ts";
import { randomGraph } from "../core/planning/testing/random_graph.ts";
import { randomPool } from "../core/planning/testing/random_pool.ts";
import { Random } from "../core/random.ts";
import { median, report } from "./interleave.ts";

const BENCH = "planning/1000x2000";
const ROUNDS = 3;
const LIMIT_S = 10;

/** Processor time of a call, s: other processes do not count. */
function cpuTime(call: () => void): number {
  const before = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function main(): void {
  const random = new Random(1);
  const graph = randomGraph(random, 2000);
  const nodes = randomPool(random, {
    count: 1000,
    ram_bytes: [1e8, 1e10],
    mbps: [10, 1000],
    measured: 0,
    shared: 0.1,
  });
  for (const objective of OBJECTIVES) {
    const input = planInput(graph, nodes, { objective, averaging_copies: 2 });
    const times = Array.from({ length: ROUNDS }, () => cpuTime(() => makePlan(input)));
    const ours = median(times);
    report({
      bench: BENCH,
      ratio: ours / LIMIT_S,
      ours,
      peer: LIMIT_S,
      peer_name: `the limit, objective ${objective}`,
      unit: "s",
    });
  }
}

if (import.meta.main) main();
