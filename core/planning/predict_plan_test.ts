import assert from "node:assert/strict";
import { mlp } from "../../models/mod.ts";
import type { NodeConfig } from "./node_configs.ts";
import type { Overheads } from "./overheads.ts";
import { makePlan } from "./plan.ts";
import { predictPlan } from "./predict_plan.ts";
import { alike, planInput, poolOf } from "./testing/plan_inputs.ts";

const perceptron = mlp({ seed: 1 });
const TERMS = { update_frequency: 1 };
const OVERHEADS: Overheads = {
  cores_used: 1,
  contention: 1,
  micro_batch_ms: 0.5,
  wake_ms: 0,
  report_ms: 0,
  message_ms: 0.25,
  message_mib_ms: 0,
  update_million_ms: 2,
  local: { bandwidth_mbps: 50_000, latency_ms: 0.125 },
};

/** Nodes of one machine with so many cores. */
function here(count: number, cores: number): NodeConfig[] {
  const nodes = poolOf(Array.from({ length: count }, (_, i) => ({ ip: `127.0.0.1:${9000 + i}` })));
  return nodes.map((node) => ({ ...node, probe: { cores } }));
}

function planned(nodes: readonly NodeConfig[], clusters: readonly number[][]) {
  return makePlan(planInput(perceptron, nodes, { clusters, batch_size: 64 }));
}

Deno.test("bookkeeping, messages and updates come to the operators", () => {
  const nodes = alike(3);
  const plan = planned(nodes, [[0, 1, 2]]);
  const { clusters: [plain] } = predictPlan(plan, nodes, TERMS);
  const { clusters: [costed] } = predictPlan(plan, nodes, { ...TERMS, overheads: OVERHEADS });
  costed!.stages.forEach((stage, s) => {
    assert.equal(stage.forward_ms, plain!.stages[s]!.forward_ms);
    // The stage in the middle has two neighbours: two messages come, and two go.
    const runs = s === 2 ? 1 : 2;
    assert.equal(stage.overhead_ms, runs * 0.5 + 0.25 * (s === 1 ? 4 : 2));
    assert.equal(stage.update_ms, 2 * plan.clusters[0]!.stages[s]!.parameter_count / 1e6);
  });
});

Deno.test("a stage is woken for the part of its runs that it waits of its time", () => {
  const nodes = alike(3);
  const plan = planned(nodes, [[0, 1, 2]]);
  const predicted = (wake_ms: number) =>
    predictPlan(plan, nodes, { ...TERMS, overheads: { ...OVERHEADS, wake_ms } }).clusters[0]!;
  const [calm, woken] = [predicted(0), predicted(0.125)];
  calm.stages.forEach(({ overhead_ms, waiting_ms }, s) => {
    const runs = s === 2 ? 1 : 2;
    const expected = overhead_ms + runs * 0.125 * waiting_ms / calm.step_ms;
    assert.ok(Math.abs(woken.stages[s]!.overhead_ms - expected) < 1e-12);
  });
});

Deno.test("a stage alone waits for nobody, and is not woken", () => {
  const nodes = alike(1);
  const { clusters } = predictPlan(planned(nodes, [[0]]), nodes, {
    ...TERMS,
    overheads: { ...OVERHEADS, wake_ms: 1 },
  });
  assert.equal(clusters[0]!.stages[0]!.overhead_ms, 0.5);
});

Deno.test("between processes of one machine the measured way counts", () => {
  const nodes = here(2, 64);
  const plan = planned(nodes, [[0, 1]]);
  const { clusters: [found] } = predictPlan(plan, nodes, { ...TERMS, overheads: OVERHEADS });
  for (const { bytes, busy_ms } of found!.links) assert.equal(busy_ms, bytes * 8 / 50_000 / 1000);
});

Deno.test("clusters of one machine share its cores", () => {
  const nodes = here(2, 2);
  const limit = (clusters: readonly number[][]) => {
    const { clusters: found } = predictPlan(planned(nodes, clusters), nodes, TERMS);
    return found[0]!.limits.find(({ kind }) => kind === "cores")!.step_ms;
  };
  // Each cluster does all the work on its half of the cores.
  assert.ok(Math.abs(limit([[0], [1]]) / limit([[0, 1]]) - 2) < 1e-4);
});

Deno.test("who shows the reports takes part of the cores, and no stage's time", () => {
  const nodes = here(2, 2);
  const plan = planned(nodes, [[0, 1]]);
  const predicted = (report_ms: number) =>
    predictPlan(plan, nodes, { ...TERMS, overheads: { ...OVERHEADS, report_ms } }).clusters[0]!;
  const cores = (report_ms: number) =>
    predicted(report_ms).limits.find(({ kind }) => kind === "cores")!.step_ms;
  assert.ok(Math.abs(cores(3) - cores(0) - 1.5) < 1e-9);
  const compute = (report_ms: number) =>
    predicted(report_ms).limits.find(({ kind }) => kind === "compute")!.step_ms;
  assert.equal(compute(3), compute(0));
});

Deno.test("clusters that average go as fast as the slowest; others as fast as they can", () => {
  const nodes = poolOf([{ speed: 1 }, { speed: 2 }]);
  const plan = planned(nodes, [[0], [1]]);
  const slow = predictPlan(plan, nodes, TERMS);
  const free = predictPlan(plan, nodes, { ...TERMS, averages: false });
  const [one, two] = slow.clusters.map(({ samples_per_s }) => samples_per_s) as [number, number];
  assert.equal(slow.samples_per_s, 2 * one);
  assert.equal(free.samples_per_s, one + two);
});
