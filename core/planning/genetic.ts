import { clustersOf, compareCandidates, FitnessFunction, isPerfect } from "./clustering.ts";
import type { Candidate, Clustering, ClusteringProblem, Genome } from "./clustering.ts";

/** The random numbers that a search draws. */
export interface RandomSource {
  /** A number in [0, 1). */
  uniform(): number;
  /** A whole number in [0, below). */
  integer(below: number): number;
}

const POPULATION = 80;
const GENERATIONS_MAX = 150;
/** The search ends when so many generations brought nothing better. */
const PATIENCE = 30;
/** Candidates that live on unchanged. */
const ELITE = 4;
const TOURNAMENT = 5;
/** Probability that two clusters of a child join. */
const JOIN_RATE = 0.2;
/** Bound on the steps of the final descent. */
const DESCENT_MAX = 200;

/** All nodes in blocks of neighbours, and dealt out by turns, in `clusters` clusters. */
function regularGenomes(nodes: number, clusters: number): Genome[] {
  const ids = Array.from({ length: nodes }, (_, node) => node);
  return [
    ids.map((node) => Math.floor((node * clusters) / nodes)),
    ids.map((node) => node % clusters),
  ];
}

function randomGenome(nodes: number, random: RandomSource): number[] {
  const clusters = 1 + random.integer(nodes);
  return Array.from({ length: nodes }, () => random.integer(clusters));
}

/** The best of a few, drawn with replacement. */
function tournament(population: readonly Candidate[], random: RandomSource): Candidate {
  let best = population[random.integer(population.length)]!;
  for (let i = 1; i < TOURNAMENT; i++) {
    const other = population[random.integer(population.length)]!;
    if (compareCandidates(other, best) < 0) best = other;
  }
  return best;
}

/**
 * Group crossover (Falkenauer, 1994): some of the father's clusters come in whole, the other nodes
 * stay as the mother has them. Cutting genomes at a point would tear clusters apart instead. Then
 * two clusters may join, and each gene changes with probability 1/n; a new cluster may come up.
 */
function child(mother: Genome, father: Genome, random: RandomSource): number[] {
  const nodes = mother.length;
  const taken = father.map(() => random.integer(2) === 0);
  let genome = mother.map((cluster, node) =>
    taken[father[node]!]! ? nodes + father[node]! : cluster
  );
  if (random.uniform() < JOIN_RATE) {
    const a = genome[random.integer(nodes)]!, b = genome[random.integer(nodes)]!;
    genome = genome.map((cluster) => cluster === a ? b : cluster);
  }
  return genome.map((cluster) => {
    if (random.uniform() >= 1 / nodes) return cluster;
    const other = random.integer(nodes + 1);
    return other === nodes ? 2 * nodes : genome[other]!;
  });
}

/** All clusterings one step away: a node moved, two nodes exchanged, two clusters joined. */
function* neighbours(genome: Genome): Generator<number[]> {
  const clusters = Math.max(...genome) + 1;
  for (let a = 0; a < clusters; a++) {
    for (let b = a + 1; b < clusters; b++) yield genome.map((c) => c === b ? a : c);
  }
  for (let node = 0; node < genome.length; node++) {
    for (let c = 0; c <= clusters; c++) {
      if (c !== genome[node]) yield genome.with(node, c);
    }
    for (let other = node + 1; other < genome.length; other++) {
      if (genome[other] === genome[node]) continue;
      yield genome.with(node, genome[other]!).with(other, genome[node]!);
    }
  }
}

/** Goes to the best neighbour until none is better. */
function descend(start: Candidate, fitness: FitnessFunction): Candidate {
  let current = start;
  for (let step = 0; step < DESCENT_MAX; step++) {
    let best = current;
    for (const genome of neighbours(current.genome)) {
      const candidate = fitness.judge(genome);
      if (compareCandidates(candidate, best) < 0) best = candidate;
    }
    if (best === current) break;
    current = best;
  }
  return current;
}

/**
 * Forms clusters by a genetic algorithm: tournament selection, group crossover, mutation, elitism
 * and a final descent to a local optimum. The first generation holds regular clusterings of every
 * number of clusters besides random ones, so the result does not hang on a lucky draw. It depends
 * on the problem and the random numbers alone.
 *
 * The objective is Ravnest's, missing memory and the imbalance of cluster times, member by member
 * instead of weighed: a clustering with a cluster that cannot hold the model, or that has more
 * nodes than the model has stages, loses against any without one. On a tie fewer clusters win, then
 * the faster ones.
 */
export function geneticClustering(problem: ClusteringProblem, random: RandomSource): Clustering {
  const fitness = new FitnessFunction(problem);
  const { nodes } = problem;
  const byFitness = (genomes: readonly (readonly number[])[]): Candidate[] =>
    genomes.map((genome) => fitness.judge(genome)).sort(compareCandidates);

  const first: (readonly number[])[] = [];
  for (let clusters = 1; clusters <= nodes && first.length < POPULATION / 2; clusters++) {
    first.push(...regularGenomes(nodes, clusters));
  }
  if (problem.clusters !== undefined) first.push(...regularGenomes(nodes, problem.clusters));
  while (first.length < POPULATION) first.push(randomGenome(nodes, random));

  let population = byFitness(first);
  let best = population[0]!;
  let idle = 0;
  for (let generation = 0; generation < GENERATIONS_MAX && idle < PATIENCE; generation++) {
    if (isPerfect(best.fitness)) break;
    const next: (readonly number[])[] = population.slice(0, ELITE).map(({ genome }) => genome);
    while (next.length < POPULATION) {
      const mother = tournament(population, random);
      const father = tournament(population, random);
      next.push(child(mother.genome, father.genome, random));
    }
    population = byFitness(next);
    idle = compareCandidates(population[0]!, best) < 0 ? 0 : idle + 1;
    best = population[0]!;
  }
  const found = isPerfect(best.fitness) ? best : descend(best, fitness);
  return { clusters: clustersOf(found.genome), fitness: found.fitness };
}
