/** What planning expects of a set of nodes that form a cluster. */
export interface ClusterAssessment {
  /** Memory by which the nodes fall short of holding the model, MB; 0 where it fits. */
  readonly lack_mb: number;
  /** Predicted time of a step: that of the slowest stage, or, for throughput, of a batch, ms. */
  readonly time_ms: number;
  /** For throughput: time in which the busiest node sends its parameters once, ms. */
  readonly parameters_ms?: number;
}

/** Nodes up to which all clusterings are tried. */
export const ALL_CLUSTERINGS_MAX = 8;

/** How nodes 0 to `nodes - 1` may be formed into clusters. */
export interface ClusteringProblem {
  readonly nodes: number;
  /** The largest number of stages into which the model can be cut. */
  readonly size_max: number;
  /** The number of clusters, where it is given. */
  readonly clusters?: number;
  /** @param nodes 1 to `size_max` nodes, ascending */
  assess(nodes: readonly number[]): ClusterAssessment;
  /** What a node adds to a cluster, in any unit: strong nodes are dealt out evenly first. */
  strength?(node: number): number;
  /**
   * Time in which all clusters together train a batch, ms: given where that counts most, absent
   * where clusters shall be equally fast.
   */
  batchTime?(clusters: readonly ClusterAssessment[]): number;
}

/** The cluster of each node, numbered by first appearance: 0 for node 0, then 1, and so on. */
export type Genome = readonly number[];

/** How good a clustering is. Compared member by member, in this order; less is better. */
export interface Fitness {
  /** Nodes beyond what clusters can take, and clusters beyond or below the number asked for. */
  readonly excess: number;
  /** Clusters that cannot hold the model. */
  readonly unfit: number;
  /** Memory missing in all clusters that cannot hold the model, MB. */
  readonly lack_mb: number;
  /** Time in which all clusters together train a batch, ms; 0 where it does not count. */
  readonly batch_ms: number;
  /** `(max_c T_c - min_c T_c) / max_c T_c` in whole tenths: predictions are not finer than that. */
  readonly imbalance: number;
  readonly clusters: number;
  /** `Σ_c T_c²`, ms²: the less, the faster and the more even the clusters are. */
  readonly squares: number;
}

/** A clustering and its fitness. */
export interface Candidate {
  readonly genome: Genome;
  readonly fitness: Fitness;
}

/** What a search found. */
export interface Clustering {
  /** Nodes of each cluster, ascending; clusters by their first node. */
  readonly clusters: readonly (readonly number[])[];
  readonly fitness: Fitness;
}

/** Imbalances below this share of the slowest cluster's time count as none. */
const IMBALANCE_STEP = 0.1;
/** Times that differ by less, relatively, are equal. */
const TOLERANCE = 1e-9;

/** Numbers the clusters by first appearance, so that equal clusterings have equal genomes. */
export function canonical(genome: readonly number[]): Genome {
  const numbers = new Map<number, number>();
  return genome.map((cluster) => {
    const known = numbers.get(cluster);
    if (known !== undefined) return known;
    numbers.set(cluster, numbers.size);
    return numbers.size - 1;
  });
}

/** The nodes of each cluster, ascending. */
export function clustersOf(genome: Genome): number[][] {
  const clusters: number[][] = [];
  genome.forEach((cluster, node) => (clusters[cluster] ??= []).push(node));
  return clusters;
}

/** Judges clusterings; a set of nodes is assessed once. */
export class FitnessFunction {
  readonly problem: ClusteringProblem;
  readonly #assessments = new Map<string, ClusterAssessment>();
  readonly #known = new Map<string, Candidate>();

  constructor(problem: ClusteringProblem) {
    this.problem = problem;
  }

  #assess(nodes: readonly number[]): ClusterAssessment {
    const key = nodes.join();
    const known = this.#assessments.get(key) ?? this.problem.assess(nodes);
    this.#assessments.set(key, known);
    return known;
  }

  /** The clustering in canonical form, judged. */
  judge(assigned: readonly number[]): Candidate {
    const genome = canonical(assigned);
    const key = genome.join();
    const candidate = this.#known.get(key) ?? { genome, fitness: this.#fitness(genome) };
    this.#known.set(key, candidate);
    return candidate;
  }

  #fitness(genome: Genome): Fitness {
    const { size_max, clusters: wanted } = this.problem;
    const clusters = clustersOf(genome);
    let excess = wanted === undefined ? 0 : Math.abs(clusters.length - wanted);
    let unfit = 0;
    let lack_mb = 0;
    let squares = 0;
    let slowest_ms = 0;
    let fastest_ms = Infinity;
    const assessed: ClusterAssessment[] = [];
    for (const nodes of clusters) {
      excess += Math.max(0, nodes.length - size_max);
      if (nodes.length > size_max) continue;
      const assessment = this.#assess(nodes);
      assessed.push(assessment);
      if (assessment.lack_mb > 0) unfit++;
      lack_mb += assessment.lack_mb;
      squares += assessment.time_ms ** 2;
      slowest_ms = Math.max(slowest_ms, assessment.time_ms);
      fastest_ms = Math.min(fastest_ms, assessment.time_ms);
    }
    const share = slowest_ms > 0 ? Math.max(0, 1 - fastest_ms / slowest_ms) : 0;
    const imbalance = Math.floor(share / IMBALANCE_STEP + TOLERANCE);
    const batch_ms = unfit > 0 ? 0 : this.problem.batchTime?.(assessed) ?? 0;
    return { excess, unfit, lack_mb, batch_ms, imbalance, clusters: clusters.length, squares };
  }
}

/** Nothing can beat one fitting cluster of all nodes where balance counts: none is like it. */
export function isPerfect({ excess, unfit, batch_ms, clusters }: Fitness): boolean {
  return excess === 0 && unfit === 0 && batch_ms === 0 && clusters === 1;
}

/** Negative where `a` is better than `b`; 0 for equal clusterings only. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  const { fitness: f } = a, { fitness: g } = b;
  if (f.excess !== g.excess) return f.excess - g.excess;
  if (f.unfit !== g.unfit) return f.unfit - g.unfit;
  if (!isEqual(f.lack_mb, g.lack_mb)) return f.lack_mb - g.lack_mb;
  if (!isEqual(f.batch_ms, g.batch_ms)) return f.batch_ms - g.batch_ms;
  if (f.imbalance !== g.imbalance) return f.imbalance - g.imbalance;
  if (f.clusters !== g.clusters) return f.clusters - g.clusters;
  if (!isEqual(f.squares, g.squares)) return f.squares - g.squares;
  const at = a.genome.findIndex((cluster, node) => cluster !== b.genome[node]);
  return at < 0 ? 0 : a.genome[at]! - b.genome[at]!;
}

function isEqual(a: number, b: number): boolean {
  return Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b));
}
