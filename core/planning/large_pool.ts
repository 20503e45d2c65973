import { compareCandidates, FitnessFunction } from "./clustering.ts";
import type { Candidate, ClusteringProblem, Genome } from "./clustering.ts";
import type { RandomSource } from "./genetic.ts";

/** Ratio of the numbers of clusters that are tried first. */
const COUNT_RATIO = 1.4;
/** Numbers of clusters in a row that bring nothing better before the search of a number ends. */
const PATIENCE = 5;
/** Clusterings with exchanged nodes that are tried at the end, fewer where clusters are large. */
const EXCHANGES = 400;
const LARGE_CLUSTER = 16;

/** Numbers of clusters from `least` to `most`, evenly spaced in their logarithm. */
function clusterCounts(least: number, most: number): number[] {
  const counts = new Set<number>();
  for (let count = least; count < most; count = Math.max(count + 1, count * COUNT_RATIO)) {
    counts.add(Math.round(count));
  }
  return [...counts.add(most)].sort((a, b) => a - b);
}

/** Nodes in the order given, dealt to and fro: each cluster gets some of the first and the last. */
function dealt(order: readonly number[], clusters: number): number[] {
  const genome = new Array<number>(order.length);
  order.forEach((node, i) => {
    const [round, place] = [Math.floor(i / clusters), i % clusters];
    genome[node] = round % 2 === 0 ? place : clusters - 1 - place;
  });
  return genome;
}

/** Nodes in the order given, in blocks. */
function inBlocks(order: readonly number[], clusters: number): number[] {
  const genome = new Array<number>(order.length);
  order.forEach((node, i) => genome[node] = Math.floor((i * clusters) / order.length));
  return genome;
}

/** The best clustering into a number of clusters, of a few regular ones. */
function bestOfCount(fitness: FitnessFunction, clusters: number): Candidate {
  const { nodes, strength } = fitness.problem;
  const ids = Array.from({ length: nodes }, (_, id) => id);
  const byStrength = strength === undefined
    ? ids
    : ids.toSorted((a, b) => strength(b) - strength(a) || a - b);
  return [inBlocks(ids, clusters), dealt(byStrength, clusters)]
    .map((genome) => fitness.judge(genome))
    .reduce((a, b) => compareCandidates(b, a) < 0 ? b : a);
}

/**
 * The best number of clusters: first far apart, then between the neighbours of the best. Where
 * balance counts few large clusters are best, for throughput many small ones as a rule: so the
 * search begins there and ends when a few in a row were no better.
 */
function bestCount(fitness: FitnessFunction): Candidate {
  const { nodes, size_max, clusters, batchTime } = fitness.problem;
  if (clusters !== undefined) return bestOfCount(fitness, clusters);
  const known = new Map<number, Candidate>();
  const isBetter = (a: number, b: number) => compareCandidates(known.get(a)!, known.get(b)!) < 0;
  const counts = clusterCounts(Math.ceil(nodes / size_max), nodes);
  if (batchTime !== undefined) counts.reverse();
  let best = counts[0]!;
  for (let i = 0, idle = 0; i < counts.length && idle < PATIENCE; i++) {
    const count = counts[i]!;
    known.set(count, bestOfCount(fitness, count));
    const isFitting = known.get(best)!.fitness.unfit === 0;
    idle = isBetter(count, best) || !isFitting ? 0 : idle + 1;
    if (isBetter(count, best)) best = count;
  }
  while (true) {
    const tried = [...known.keys()].sort((a, b) => a - b);
    const at = tried.indexOf(best);
    const between = [tried[at - 1], tried[at + 1]]
      .filter((other) => other !== undefined && Math.abs(other - best) > 1)
      .map((other) => Math.round((other! + best) / 2));
    if (between.length === 0) return known.get(best)!;
    for (const count of between) {
      known.set(count, bestOfCount(fitness, count));
      if (isBetter(count, best)) best = count;
    }
  }
}

/** Two nodes exchanged between two clusters, or one moved into another cluster. */
function exchanged(genome: Genome, random: RandomSource): number[] {
  const a = random.integer(genome.length);
  let b = random.integer(genome.length);
  while (genome[b] === genome[a]) b = random.integer(genome.length);
  const moved = genome.with(a, genome[b]!);
  return random.integer(4) === 0 ? moved : moved.with(b, genome[a]!);
}

/**
 * Forms clusters of a pool that is too large for the genetic search: regular clusterings of many
 * numbers of clusters (blocks of neighbours; strong and weak nodes dealt out evenly), then random
 * exchanges that help. It depends on the problem and the random numbers alone.
 */
export function largePoolClustering(problem: ClusteringProblem, random: RandomSource): Candidate {
  const fitness = new FitnessFunction(problem);
  let best = bestCount(fitness);
  const size = problem.nodes / best.fitness.clusters;
  const exchanges = EXCHANGES / (1 + (size / LARGE_CLUSTER) ** 2);
  for (let i = 0; i < exchanges && best.fitness.clusters > 1; i++) {
    const candidate = fitness.judge(exchanged(best.genome, random));
    if (compareCandidates(candidate, best) < 0) best = candidate;
  }
  return best;
}
