import { compareCandidates, FitnessFunction } from "./clustering.ts";
import type { Candidate, ClusteringProblem } from "./clustering.ts";

/** All partitions of a set of nodes, as canonical genomes (restricted growth strings). */
export function* allClusterings(
  nodes: number,
  genome: readonly number[] = [],
): Generator<number[]> {
  if (genome.length === nodes) {
    yield [...genome];
    return;
  }
  const next = Math.max(-1, ...genome) + 1;
  for (let cluster = 0; cluster <= next; cluster++) {
    yield* allClusterings(nodes, [...genome, cluster]);
  }
}

/** The best clustering, by trying all: there are 4,140 of eight nodes. */
export function bestOfAll(problem: ClusteringProblem): Candidate {
  const fitness = new FitnessFunction(problem);
  let best: Candidate | undefined;
  for (const genome of allClusterings(problem.nodes)) {
    const candidate = fitness.judge(genome);
    if (best === undefined || compareCandidates(candidate, best) < 0) best = candidate;
  }
  if (best === undefined) throw new RangeError("there are no nodes");
  return best;
}
