import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { bestOfAll } from "./all_clusterings.ts";
import { canonical, clustersOf } from "./clustering.ts";
import type { ClusteringProblem } from "./clustering.ts";
import { geneticClustering } from "./genetic.ts";

/** Nodes with memory and speed; a cluster needs `need_mb` and shares the work by speed. */
function pool(
  nodes: readonly { ram_mb: number; speed: number }[],
  need_mb: number,
  size_max: number,
  clusters?: number,
): ClusteringProblem {
  return {
    nodes: nodes.length,
    size_max,
    ...(clusters === undefined ? {} : { clusters }),
    assess: (ids) => ({
      lack_mb: Math.max(0, need_mb - ids.reduce((sum, id) => sum + nodes[id]!.ram_mb, 0)),
      time_ms: 1000 / ids.reduce((sum, id) => sum + nodes[id]!.speed, 0),
    }),
  };
}

const alike = (count: number) => Array.from({ length: count }, () => ({ ram_mb: 8192, speed: 1 }));

Deno.test("three equal nodes form one cluster, for every seed", () => {
  const problem = pool(alike(3), 2, 7);
  for (let seed = 0; seed < 200; seed++) {
    assert.deepEqual(geneticClustering(problem, new Random(seed)).clusters, [[0, 1, 2]]);
  }
});

Deno.test("one node forms one cluster", () => {
  assert.deepEqual(geneticClustering(pool(alike(1), 2, 7), new Random(1)).clusters, [[0]]);
});

Deno.test("no cluster has more nodes than the model has stages", () => {
  const { clusters, fitness } = geneticClustering(pool(alike(8), 2, 4), new Random(1));
  assert.equal(fitness.excess, 0);
  assert.deepEqual(clusters.map((nodes) => nodes.length), [4, 4]);
});

Deno.test("a cluster that cannot hold the model is never preferred, however even the times", () => {
  // {0, 1} and {2} would be equally fast, and node 2 lacks next to nothing.
  const nodes = [
    { ram_mb: 1000, speed: 1 },
    { ram_mb: 1000, speed: 4 },
    { ram_mb: 999.999, speed: 5 },
  ];
  const { clusters, fitness } = geneticClustering(pool(nodes, 1000, 2), new Random(1));
  assert.equal(fitness.unfit, 0);
  assert.deepEqual(clusters, [[0, 2], [1]]);
});

Deno.test("a given number of clusters is kept", () => {
  for (let count = 1; count <= 6; count++) {
    const { clusters } = geneticClustering(pool(alike(6), 2, 6, count), new Random(3));
    assert.equal(clusters.length, count);
  }
});

Deno.test("the same seed gives the same clusters", () => {
  const random = new Random(5);
  for (let trial = 0; trial < 10; trial++) {
    const nodes = Array.from({ length: 12 }, () => ({
      ram_mb: 100 + random.integer(900),
      speed: 1 + random.uniform(),
    }));
    const problem = pool(nodes, 1000, 5);
    const once = geneticClustering(problem, new Random(trial));
    assert.deepEqual(geneticClustering(problem, new Random(trial)), once);
  }
});

Deno.test("random pools of up to seven nodes: the search finds the optimum", () => {
  const random = new Random(6);
  for (let trial = 0; trial < 60; trial++) {
    const nodes = Array.from({ length: 1 + random.integer(7) }, () => ({
      ram_mb: 100 + random.integer(900),
      speed: 1 + random.integer(4),
    }));
    const clusters = random.integer(3) === 0 ? 1 + random.integer(nodes.length) : undefined;
    const problem = pool(nodes, 800, 1 + random.integer(5), clusters);
    const best = bestOfAll(problem);
    const found = geneticClustering(problem, new Random(trial));
    assert.deepEqual(found.fitness, best.fitness);
    assert.deepEqual(found.clusters, clustersOf(best.genome));
  }
});

Deno.test("clusters are numbered by first appearance", () => {
  assert.deepEqual(canonical([3, 1, 3, 0]), [0, 1, 0, 2]);
  assert.deepEqual(clustersOf([0, 1, 0, 2]), [[0, 2], [1], [3]]);
});
