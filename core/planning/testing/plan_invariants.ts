import assert from "node:assert/strict";
import { modelState } from "../trainable.ts";
import type { PlanInput } from "../plan.ts";
import { parsePlan } from "../plan_schema.ts";
import type { Plan, PlanCluster } from "../plan_schema.ts";

/** Checks what must hold for every plan, from the model alone. */
export function checkPlan(plan: Plan, input: PlanInput): void {
  assert.deepEqual(parsePlan(JSON.stringify(plan), "plan.json"), plan);
  const assigned = plan.clusters.flatMap(({ nodes }) => nodes).sort((a, b) => a - b);
  assert.deepEqual(assigned, input.nodes.map(({ id }) => id));
  for (const cluster of plan.clusters) {
    checkCover(cluster, input);
    checkDeliveries(cluster, input);
  }
  assert.equal(plan.rings.length, Math.max(...plan.clusters.map(({ stages }) => stages.length)));
}

/** Every operator in one stage, in order; every parameter in one; every stage within its memory. */
function checkCover(cluster: PlanCluster, { graph, nodes }: PlanInput): void {
  assert.deepEqual(
    cluster.stages.flatMap(({ operators }) => operators),
    graph.nodes.map(({ name }) => name),
  );
  const state = modelState(graph);
  assert.deepEqual(cluster.stages.flatMap(({ parameters }) => parameters), state.trainable);
  assert.deepEqual(cluster.stages.flatMap(({ buffers }) => buffers), state.buffers);
  for (const { memory, node, parameters, parameter_count } of cluster.stages) {
    assert.ok(parameters.length > 0 && parameter_count > 0);
    assert.ok(memory.total <= nodes[node]!.ram_gb * 2 ** 30);
  }
}

/** Every value that a stage reads is made there or received; nothing else is sent or received. */
function checkDeliveries({ stages }: PlanCluster, { graph }: PlanInput): void {
  const makers = new Map<string, number | "data">(graph.inputs.map(({ name }) => [name, "data"]));
  const nodeOf = new Map(graph.nodes.map((node) => [node.name, node]));
  const wanted = new Set<string>();
  stages.forEach(({ operators }, stage) => {
    for (const name of operators) {
      const node = nodeOf.get(name)!;
      for (const value of node.inputs.filter((value) => makers.has(value))) {
        const maker = makers.get(value)!;
        if (maker === "data") wanted.add(`${value}: data to 0`);
        const from = maker === "data" ? 0 : maker;
        if (from !== stage) wanted.add(`${value}: ${from} to ${stage}`);
      }
      for (const output of node.outputs) makers.set(output, stage);
    }
  });
  const received = stages.flatMap(({ receives, stage }) =>
    receives.map(({ value, from }) => `${value}: ${from} to ${stage}`)
  );
  const sent = stages.flatMap(({ sends, stage }) =>
    sends.flatMap(({ value, to }) => to.map((other) => `${value}: ${stage} to ${other}`))
  );
  assert.deepEqual(received.sort(), [...wanted].sort());
  assert.deepEqual(sent.sort(), [...wanted].filter((d) => !d.includes(": data")).sort());
}
