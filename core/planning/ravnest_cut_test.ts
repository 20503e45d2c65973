import assert from "node:assert/strict";
import { digitsCnn } from "../../models/mod.ts";
import { Random } from "../random.ts";
import { ravnestCut } from "./ravnest_cut.ts";
import { inferredFacts } from "./testing/inferred_facts.ts";
import { randomWorkload } from "./testing/random_workload.ts";
import { workloadOf } from "./workload.ts";

const graph = digitsCnn({ seed: 1 });
const digits = workloadOf(graph, inferredFacts(graph), { batch: 64 });

function cutBefore(stages: number): string[] {
  return ravnestCut(digits, stages).slice(1, -1).map((index) => digits.operators[index]!.name);
}

Deno.test("the digits CNN is cut where Ravnest cut it", () => {
  assert.deepEqual(cutBefore(1), []);
  assert.deepEqual(cutBefore(2), ["dense_1"]);
  assert.deepEqual(cutBefore(3), ["dense_1", "bn_3"]);
  assert.deepEqual(cutBefore(4), ["conv2d_2", "bn_2", "dense_1"]);
  assert.deepEqual(cutBefore(5), ["conv2d_2", "bn_2", "dense_1", "bn_3"]);
});

Deno.test("six and more stages cannot be had from the shares", () => {
  for (const stages of [6, 7, 8, 12, 21]) {
    assert.throws(
      () => ravnestCut(digits, stages),
      /give \d stages where \d+ are wanted: use fewer nodes in a cluster, or "split: time"/,
    );
  }
});

Deno.test("operators that share a parameter are not parted", () => {
  const workload = randomWorkload(new Random(1), 4);
  const parameter = (name: string, readers: number[]) =>
    [name, { name, elements: 10, bytes: 40, readers }] as const;
  const tied = {
    ...workload,
    parameters: new Map([parameter("a", [0, 2]), parameter("b", [1])]),
    operators: workload.operators.map((operator, i) => ({
      ...operator,
      parameters: [["a"], ["b"], ["a"], []][i]!,
    })),
  };
  assert.throws(() => ravnestCut(tied, 2), /would cut before "op1", between operators that share/);
});
