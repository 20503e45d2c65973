import type { BatchPlace, BatchSource } from "./batch_source.ts";

/** How the training samples are divided among the clusters. */
export const SHARDS = ["disjoint", "none"] as const;

/** @see SHARDS */
export type Shard = typeof SHARDS[number];

/** Which cluster reads, and of how many. */
export interface ShardOptions {
  readonly cluster: number;
  readonly clusters: number;
  /** Samples of a full batch. */
  readonly batchSize: number;
}

/**
 * A cluster's share of the training samples: of every epoch's order the part from c/n to (c + 1)/n,
 * so that shares are disjoint and all samples are visited in each epoch. Sizes differ by one at
 * most. Where that would give the clusters different numbers of batches, the smaller ones take one
 * sample more, the first one of the next cluster. Validation is not shared out.
 */
export class ShardedSource implements BatchSource {
  readonly samples: number;
  readonly validationSamples: number;
  readonly #source: BatchSource;
  readonly #begin: number;

  /** @throws {RangeError} where there are fewer samples than clusters */
  constructor(source: BatchSource, { cluster, clusters, batchSize }: ShardOptions) {
    const total = source.samples;
    if (total < clusters) {
      throw new RangeError(`${clusters} clusters cannot share ${total} samples`);
    }
    const [begin, end] = shardOf(total, cluster, clusters);
    const samples = end - begin;
    // The last cluster's share is never the smaller one: there is a sample behind each of those.
    const most = Math.ceil(total / clusters);
    const batches = (count: number) => Math.ceil(count / batchSize);
    this.samples = batches(samples) === batches(most) ? samples : most;
    this.validationSamples = source.validationSamples;
    this.#source = source;
    this.#begin = begin;
  }

  ready(at: BatchPlace): Promise<void> | undefined {
    return this.#source.ready?.(this.#shifted(at));
  }

  readyValidation(start: number, samples: number): Promise<void> | undefined {
    return this.#source.readyValidation?.(start, samples);
  }

  fill(value: string, at: BatchPlace, target: Uint8Array): void {
    this.#source.fill(value, this.#shifted(at), target);
  }

  fillValidation(value: string, start: number, samples: number, target: Uint8Array): void {
    this.#source.fillValidation(value, start, samples, target);
  }

  #shifted({ epoch, start, samples }: BatchPlace): BatchPlace {
    return { epoch, start: this.#begin + start, samples };
  }
}

/** The positions of a cluster's samples in every epoch's order. */
function shardOf(total: number, cluster: number, clusters: number): [begin: number, end: number] {
  return [
    Math.floor(total * cluster / clusters),
    Math.floor(total * (cluster + 1) / clusters),
  ];
}

/** The part of all samples that is a cluster's own; the parts of all clusters sum to 1. */
export function shareOf(total: number, cluster: number, clusters: number): number {
  const [begin, end] = shardOf(total, cluster, clusters);
  return (end - begin) / total;
}
