import { Random } from "../random.ts";

/** What the order of samples depends on. */
export interface SamplerOptions {
  /** Number of samples, 1 or more. */
  readonly count: number;
  /** Samples of a batch, 1 or more; the last batch of an epoch has what is left. */
  readonly batchSize: number;
  readonly seed: number;
  /** A new random order each epoch, or the order of the file. */
  readonly shuffle: boolean;
}

/**
 * The order in which an epoch visits the samples, cut into batches. It depends on the options and
 * the epoch alone: any batch of any epoch can be asked for, in any order, after any restart.
 */
export class Sampler {
  readonly count: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly #random: Random;
  readonly #order: Uint32Array<ArrayBuffer>;
  #epoch = -1;

  constructor({ count, batchSize, seed, shuffle }: SamplerOptions) {
    if (!Number.isInteger(count) || count < 1 || count >= 2 ** 32) {
      throw new RangeError(`a sampler needs 1 to 2^32 - 1 samples, got ${count}`);
    }
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new RangeError(`a batch has 1 or more samples, got ${batchSize}`);
    }
    this.count = count;
    this.batchSize = batchSize;
    this.shuffle = shuffle;
    this.#random = new Random(seed).fork("sampler");
    this.#order = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.#order[i] = i;
  }

  /** Batches of an epoch, the smaller last one included. */
  get batchesPerEpoch(): number {
    return Math.ceil(this.count / this.batchSize);
  }

  /** Samples in batch `batch` of any epoch. */
  sizeOf(batch: number): number {
    this.#checkBatch(batch);
    return Math.min(this.batchSize, this.count - batch * this.batchSize);
  }

  /** Indices of all samples in the order of `epoch`; a view that the next epoch overwrites. */
  order(epoch: number): Uint32Array<ArrayBuffer> {
    if (!Number.isInteger(epoch) || epoch < 0) {
      throw new RangeError(`epochs count from 0, got ${epoch}`);
    }
    if (this.shuffle && epoch !== this.#epoch) {
      for (let i = 0; i < this.count; i++) this.#order[i] = i;
      this.#random.fork(epoch).shuffle(this.#order);
      this.#epoch = epoch;
    }
    return this.#order;
  }

  /** Indices of the samples in one batch; a view that the next epoch overwrites. */
  batch(epoch: number, batch: number): Uint32Array<ArrayBuffer> {
    const start = batch * this.batchSize;
    return this.order(epoch).subarray(start, start + this.sizeOf(batch));
  }

  #checkBatch(batch: number): void {
    if (!Number.isInteger(batch) || batch < 0 || batch >= this.batchesPerEpoch) {
      throw new RangeError(`an epoch has batches 0 to ${this.batchesPerEpoch - 1}, got ${batch}`);
    }
  }
}
