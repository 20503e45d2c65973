import { bestOfAll } from "./all_clusterings.ts";
import { ALL_CLUSTERINGS_MAX, clustersOf, FitnessFunction, isPerfect } from "./clustering.ts";
import type { Clustering, ClusteringProblem } from "./clustering.ts";
import { geneticClustering } from "./genetic.ts";
import type { RandomSource } from "./genetic.ts";
import { largePoolClustering } from "./large_pool.ts";

/** Nodes up to which the genetic search is quick enough. */
export const GENETIC_MAX = 40;

/**
 * Forms clusters: of a few nodes all clusterings are tried, of more a genetic algorithm searches,
 * and of very many a descent from regular ones.
 */
export function formClusters(problem: ClusteringProblem, random: RandomSource): Clustering {
  const { nodes } = problem;
  const one = new FitnessFunction(problem).judge(new Array(nodes).fill(0));
  if (isPerfect(one.fitness)) return { clusters: clustersOf(one.genome), fitness: one.fitness };
  if (nodes > ALL_CLUSTERINGS_MAX && nodes <= GENETIC_MAX) {
    return geneticClustering(problem, random);
  }
  const { genome, fitness } = nodes <= ALL_CLUSTERINGS_MAX
    ? bestOfAll(problem)
    : largePoolClustering(problem, random);
  return { clusters: clustersOf(genome), fitness };
}
