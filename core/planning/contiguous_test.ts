import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { minMaxCost, minSumPartition } from "./contiguous.ts";
import type { PartitionProblem } from "./contiguous.ts";
import { allPartitions } from "./testing/brute_force.ts";

function randomProblem(random: Random): PartitionProblem {
  const stages = 1 + random.integer(4);
  const positions = 2 + random.integer(7);
  const costs = Array.from(
    { length: stages * positions * positions },
    () => random.integer(5) === 0 ? Infinity : random.integer(6),
  );
  const cost = (s: number, from: number, to: number) =>
    costs[(s * positions + from) * positions + to]!;
  return { stages, positions, cost };
}

function costsOf(problem: PartitionProblem, borders: readonly number[]): number[] {
  return borders.slice(1).map((to, s) => problem.cost(s, borders[s]!, to));
}

Deno.test("min-max equals the best of all partitions", () => {
  const random = new Random(1);
  for (let trial = 0; trial < 500; trial++) {
    const problem = randomProblem(random);
    const all = [...allPartitions(problem.stages, problem.positions)];
    const expected = Math.min(...all.map((b) => Math.max(...costsOf(problem, b))));
    assert.equal(minMaxCost(problem), expected);
    // A bound that is attainable hides nothing.
    assert.equal(minMaxCost({ ...problem, floor: () => 0 }, expected), expected);
  }
});

Deno.test("min-sum equals the best of all partitions, by criteria, then by early borders", () => {
  const random = new Random(2);
  for (let trial = 0; trial < 500; trial++) {
    const problem = randomProblem(random);
    const second = (_s: number, from: number, to: number) => ((from * 7 + to * 3) % 4);
    const rank = (borders: number[]): number[] => [
      costsOf(problem, borders).reduce((sum, cost) => sum + cost, 0),
      borders.slice(1).reduce((sum, to, s) => sum + second(s, borders[s]!, to), 0),
      ...borders,
    ];
    const compare = (a: number[], b: number[]): number => {
      const i = a.findIndex((x, at) => x !== b[at]);
      return i < 0 ? 0 : a[i]! - b[i]!;
    };
    const best = [...allPartitions(problem.stages, problem.positions)].map(rank)
      .filter(([sum]) => sum !== Infinity).sort(compare)[0];
    const found = minSumPartition(problem, [second]);
    assert.deepEqual(found === undefined ? undefined : rank([...found.borders]), best);
  }
});

Deno.test("more stages than ranges cannot be had", () => {
  const problem: PartitionProblem = { stages: 4, positions: 3, cost: () => 1 };
  assert.equal(minMaxCost(problem), Infinity);
  assert.equal(minSumPartition(problem), undefined);
});
