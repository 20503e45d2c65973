import assert from "node:assert/strict";
import { mlp } from "../../models/mod.ts";
import { explainPlan } from "./explain.ts";
import { makePlan } from "./plan.ts";
import type { PlanInput } from "./plan.ts";
import { predictPlan } from "./predict_plan.ts";
import { alike, planInput, poolOf } from "./testing/plan_inputs.ts";

const perceptron = mlp({ seed: 1 });
const TERMS = { update_frequency: 1 };

/** Three nodes on a network, in one cluster. */
function inputOf(bandwidth: number, changes: Partial<PlanInput> = {}): PlanInput {
  const clusters = [[0, 1, 2]];
  return planInput(perceptron, alike(3, { bandwidth }), { clusters, batch_size: 64, ...changes });
}

function explained(input: PlanInput) {
  return explainPlan(input, makePlan(input), TERMS);
}

Deno.test("slow links: fewer bytes and a faster link are named, with what they bring", () => {
  const input = inputOf(20);
  const { prediction, changes } = explained(input);
  assert.equal(prediction.clusters[0]!.limits[0]!.kind, "link");
  const compressed = changes.find(({ what }) => what.startsWith("compression"));
  assert.ok(compressed, JSON.stringify(changes));
  const packed = { activations: 0.5, gradients: 0.5 };
  const other = predictPlan(makePlan(input), input.nodes, { ...TERMS, packed });
  assert.equal(compressed.samples_per_s, other.samples_per_s);
  assert.equal(
    compressed.gain_percent,
    100 * (other.samples_per_s / prediction.samples_per_s - 1),
  );
});

Deno.test("links that are compressed already are not told to be", () => {
  const input = inputOf(20);
  const packed = { activations: 0.25, gradients: 0.25 };
  const { changes } = explainPlan(input, makePlan(input), { ...TERMS, packed });
  assert.ok(changes.every(({ what }) => !what.startsWith("compression")));
});

Deno.test("one micro-batch under way: more of them are named", () => {
  const { changes } = explained(inputOf(100_000, { in_flight: 1 }));
  const deeper = changes.find(({ what }) => what.startsWith("in_flight"));
  assert.ok(deeper !== undefined && deeper.gain_percent > 40, JSON.stringify(changes));
  assert.equal(deeper.note, "older weights, more memory");
});

Deno.test("a node that is much slower than the others is to be replaced or left out", () => {
  const nodes = poolOf([1, 0.05, 1].map((speed) => ({ speed, bandwidth: 100_000 })));
  const input = planInput(perceptron, nodes, { clusters: [[0, 1, 2]], batch_size: 64 });
  const { changes } = explained(input);
  const what = changes.map((change) => change.what);
  assert.ok(
    what.includes("leave node_1 out") || what.some((text) => /speed for node_1/.test(text)),
    String(what),
  );
});

Deno.test("changes are few, of different kinds, and the best comes first", () => {
  for (const bandwidth of [1, 20, 1000, 100_000]) {
    for (const schedule of ["async", "1f1b"] as const) {
      const micro_batches = schedule === "async" ? 1 : 4;
      const { changes } = explained(inputOf(bandwidth, { schedule, micro_batches }));
      assert.ok(changes.length <= 3);
      const gains = changes.map(({ gain_percent }) => gain_percent);
      assert.deepEqual(gains, gains.toSorted((a, b) => b - a));
      assert.ok(gains.every((gain) => gain >= 1));
    }
  }
});

Deno.test("one node alone has no links, schedules or orders to change", () => {
  const input = planInput(perceptron, alike(1), { clusters: [[0]] });
  for (const { what } of explained(input).changes) {
    assert.doesNotMatch(what, /link|compression|schedule|before|leave|in_flight/);
  }
});
