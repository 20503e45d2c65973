import assert from "node:assert/strict";
import { digitsCnn } from "../../models/mod.ts";
import { Random } from "../random.ts";
import { checkStageCount, coarsePositions, cutPositions, stageCountMax } from "./cut_positions.ts";
import { allPartitions } from "./testing/brute_force.ts";
import { inferredFacts } from "./testing/inferred_facts.ts";
import { randomWorkload } from "./testing/random_workload.ts";
import { workloadOf } from "./workload.ts";
import type { StateCost, Workload } from "./workload.ts";

function withParameters(workload: Workload, readers: number[][]): Workload {
  const state = readers.map((list, i): [string, StateCost] => [
    `w${i}`,
    { name: `w${i}`, elements: 1, bytes: 4, readers: list },
  ]);
  const operators = workload.operators.map((operator) => ({ ...operator, op: "MatMul" }));
  return { ...workload, operators, parameters: new Map(state) };
}

Deno.test("a cut never parts the readers of a parameter", () => {
  const workload = withParameters(randomWorkload(new Random(1), 6), [[0], [1, 3], [5]]);
  assert.deepEqual(cutPositions(workload), [0, 1, 4, 5, 6]);
  assert.equal(stageCountMax(workload), 3);
  assert.throws(
    () => checkStageCount(workload, 4),
    /into 4 stages, only into 3: .* share "w1" must stay together; use at most 3 nodes/,
  );
  checkStageCount(workload, 3);
});

Deno.test("a layer and its activation stay together, unless others read the layer too", () => {
  const graph = digitsCnn({ seed: 1 });
  const digits = workloadOf(graph, inferredFacts(graph), { batch: 64 });
  const before = cutPositions(digits).slice(0, -1).map((p) => digits.operators[p]!.name);
  const missing = digits.operators.map(({ name }) => name).filter((name) => !before.includes(name));
  assert.deepEqual(missing, ["act_1", "act_2", "act_3"]);
  const read = digits.values.get("conv2d_1_out")!;
  const values = new Map([...digits.values, [read.name, { ...read, readers: [1, 5] }]]);
  assert.ok(cutPositions({ ...digits, values }).includes(1));
});

Deno.test("a model without parameters cannot be trained", () => {
  const workload = withParameters(randomWorkload(new Random(1), 3), []);
  assert.throws(() => checkStageCount(workload, 1), /no trainable parameter/);
});

Deno.test("the largest number of stages is that of the best of all cuts", () => {
  const random = new Random(2);
  for (let trial = 0; trial < 60; trial++) {
    const workload = randomWorkload(random, 1 + random.integer(8));
    const positions = cutPositions(workload);
    const holds = (borders: number[]) =>
      borders.slice(1).every((to, s) =>
        [...workload.parameters.values()].some(({ readers }) =>
          readers[0]! >= positions[borders[s]!]! && readers[0]! < positions[to]!
        )
      );
    let most = 0;
    for (let stages = 1; stages < positions.length; stages++) {
      if ([...allPartitions(stages, positions.length)].some(holds)) most = stages;
    }
    assert.equal(stageCountMax(workload), most);
  }
});

Deno.test("coarse positions are cut positions, as many as asked, spread over the model", () => {
  const graph = digitsCnn({ seed: 1 });
  const digits = workloadOf(graph, inferredFacts(graph), { batch: 64 });
  const names = coarsePositions(digits, 10).slice(1, -1).map((p) => digits.operators[p]!.name);
  assert.deepEqual(names.length, 6);
  // Of the borders between conv2d_2 and bn_2, those after the pooling carry a quarter of the bytes.
  assert.equal(names[2], "drp_2");
  assert.deepEqual(coarsePositions(digits, 24), cutPositions(digits));
  const workload = randomWorkload(new Random(3), 300);
  const all = new Set(cutPositions(workload));
  for (const limit of [1, 2, 10, 50]) {
    const positions = coarsePositions(workload, limit);
    assert.ok(positions.every((p) => all.has(p)));
    assert.deepEqual(positions, [...new Set(positions)].sort((a, b) => a - b));
    assert.equal(positions.length, limit + 2);
    const widest = Math.max(...positions.slice(1).map((p, i) => p - positions[i]!));
    assert.ok(widest <= (2.5 * 300) / (limit + 1), `${widest} of 300 for ${limit}`);
  }
});
