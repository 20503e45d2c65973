import type { ClusterAssessment } from "./clustering.ts";

/** When clusters average their weights. */
export interface AveragingTerms {
  /** Updates between two averages; absent: `epoch`. */
  readonly reduce_every?: "epoch" | "never" | number;
  /** Samples of an epoch, of all clusters together; unknown: so many that averages cost nothing. */
  readonly samples?: number;
  /** Samples of a batch; 1 unless told. */
  readonly batch_size?: number;
  /** Updates that go on while clusters average; 0 (or absent): they wait for the mean. */
  readonly reduce_delay?: number;
  /** Batches whose gradients make one update; 1 unless told. */
  readonly update_frequency?: number;
}

/**
 * Time in which all clusters together train a batch, ms.
 *
 * Clusters that average have equal shares of the data and wait for each other: n of them train n
 * batches in the time of the slowest. Each average takes a node 2 (n − 1) / n of the time in which
 * it sends its parameters once (Patarasu and Yuan 2009), beside the training or not. Clusters that
 * never average each train what they can: 1 / Σ 1 / T_c.
 */
export function batchTime(
  clusters: readonly ClusterAssessment[],
  terms: AveragingTerms,
): number {
  const { reduce_every = "epoch", reduce_delay = 0, update_frequency = 1 } = terms;
  const { samples = Infinity, batch_size = 1 } = terms;
  const n = clusters.length;
  if (reduce_every === "never") {
    return 1 / clusters.reduce((sum, { time_ms }) => sum + 1 / time_ms, 0);
  }
  const batches = reduce_every === "epoch"
    ? Math.max(1, samples / n / batch_size)
    : reduce_every * update_frequency;
  const times = clusters.map(({ time_ms, parameters_ms = 0 }) => {
    const averaging_ms = ((2 * (n - 1)) / n) * parameters_ms / batches;
    return reduce_delay > 0 ? Math.max(time_ms, averaging_ms) : time_ms + averaging_ms;
  });
  return Math.max(...times) / n;
}
