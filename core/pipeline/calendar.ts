/**
 * What a whole training run consists of, told once by the root to every stage, so that all of them
 * count batches, updates and validations alike.
 */
export interface RunShape {
  readonly epochs: number;
  /** Updates after which the run ends, even within an epoch; absent for none. */
  readonly max_updates?: number;
  /** Training samples in an epoch. */
  readonly samples: number;
  /** Samples in a full batch. */
  readonly batch_size: number;
  /** Pieces into which a full batch is split for the pipeline. */
  readonly micro_batches: number;
  /** Batches whose gradients make one update of the weights. */
  readonly update_frequency: number;
  /** Samples of the validation set; 0 without one. */
  readonly validation_samples: number;
  /** Updates between two validations, or 0 for one at the end of each epoch. */
  readonly validation_every: number;
  /**
   * Updates after which the clusters average their weights, or 0 for the end of each epoch; absent
   * where they do not.
   */
  readonly reduce_every?: number;
  /** Updates that a stage makes before it takes an average over; 0 (or absent): it waits for it. */
  readonly reduce_delay?: number;
}

/** Where a micro-batch stands in the run. All numbers count from 0. */
export interface Place {
  readonly epoch: number;
  /** Batch within its epoch. */
  readonly batch: number;
  /** Micro-batch within its batch. */
  readonly part: number;
  /** First sample, as a position in the epoch's order. */
  readonly start: number;
  readonly samples: number;
  /** Weight of this micro-batch's mean loss in the update: the scales of an update sum to 1. */
  readonly scale: number;
  /** The update to which its gradient belongs. */
  readonly update: number;
  /** True when this micro-batch completes its update. */
  readonly closesUpdate: boolean;
}

/**
 * The arithmetic of a run: which samples micro-batch m holds, when weights change and are judged.
 */
export class Calendar {
  readonly shape: RunShape;
  readonly batchesPerEpoch: number;
  readonly batches: number;
  readonly microBatches: number;
  readonly updates: number;
  /** Length of the run in epochs: those of the shape, or a part of them. */
  readonly epochs: number;
  /** Batches of the validation set. */
  readonly validationBatches: number;
  /** Weight versions that are validated, in order; the last one stands twice (end of training). */
  readonly validations: readonly number[];
  readonly #perEpoch: number;

  constructor(shape: RunShape) {
    for (
      const key of ["epochs", "samples", "batch_size", "micro_batches", "update_frequency"] as const
    ) {
      if (!Number.isSafeInteger(shape[key]) || shape[key] < 1) {
        throw new RangeError(`${key} must be a whole number of at least 1, got ${shape[key]}`);
      }
    }
    this.shape = shape;
    this.batchesPerEpoch = Math.ceil(shape.samples / shape.batch_size);
    const { max_updates = Infinity, update_frequency } = shape;
    const wholeEpochs = this.batchesPerEpoch * shape.epochs;
    this.batches = Math.min(wholeEpochs, max_updates * update_frequency);
    this.epochs = this.batches / this.batchesPerEpoch;
    this.#perEpoch = (this.batchesPerEpoch - 1) * this.#parts(0) +
      this.#parts(this.batchesPerEpoch - 1);
    // Within an epoch only the last batch may have fewer parts than a full one.
    this.microBatches = this.#perEpoch * Math.floor(this.epochs) +
      this.#parts(0) * (this.batches % this.batchesPerEpoch);
    this.updates = Math.ceil(this.batches / update_frequency);
    this.validationBatches = Math.ceil(shape.validation_samples / shape.batch_size);
    this.validations = this.#validations();
  }

  /** Samples in batch `batch` of an epoch: all are full but the last. */
  #batchSamples(batch: number): number {
    const { samples, batch_size } = this.shape;
    return Math.min(batch_size, samples - batch * batch_size);
  }

  /** Micro-batches of a batch: never more than it has samples. */
  #parts(batch: number): number {
    return Math.min(this.shape.micro_batches, this.#batchSamples(batch));
  }

  #validations(): number[] {
    const { validation_every, validation_samples } = this.shape;
    if (validation_samples === 0) return [];
    const versions: number[] = [];
    if (validation_every > 0) {
      for (let v = validation_every; v <= this.updates; v += validation_every) versions.push(v);
    } else {
      const last = Math.ceil(this.epochs);
      for (let epoch = 1; epoch <= last; epoch++) {
        // The first epochs may end before the first update.
        const version = this.#versionAfter(epoch);
        if (version > 0) versions.push(version);
      }
    }
    return [...versions, this.updates];
  }

  /** The version that stands for the first `epochs` epochs: the last one that is made of them. */
  #versionAfter(epochs: number): number {
    if (epochs >= this.epochs) return this.updates;
    return Math.floor(epochs * this.batchesPerEpoch / this.shape.update_frequency);
  }

  /** Where micro-batch `m` of the run stands. */
  place(m: number): Place {
    const { batch_size, update_frequency } = this.shape;
    const epoch = Math.floor(m / this.#perEpoch);
    const rest = m % this.#perEpoch;
    const full = this.#parts(0);
    const batch = Math.min(Math.floor(rest / full), this.batchesPerEpoch - 1);
    const part = rest - batch * full;
    const parts = this.#parts(batch);
    const total = this.#batchSamples(batch);
    // Sizes differ by at most one, the larger pieces first.
    const small = Math.floor(total / parts);
    const larger = total % parts;
    const samples = small + (part < larger ? 1 : 0);
    const start = batch * batch_size + part * small + Math.min(part, larger);
    const index = epoch * this.batchesPerEpoch + batch;
    const update = Math.floor(index / update_frequency);
    const first = update * update_frequency;
    const batchesInUpdate = Math.min(update_frequency, this.batches - first);
    return {
      epoch,
      batch,
      part,
      start,
      samples,
      scale: samples / total / batchesInUpdate,
      update,
      closesUpdate: part === parts - 1 && index === first + batchesInUpdate - 1,
    };
  }

  /** Whether the clusters begin to average a version once it is made. */
  reduces(version: number): boolean {
    return this.nextReduction(version - 1) === version;
  }

  /** The first version after `version` that the clusters average: the last of the run is one. */
  nextReduction(version: number): number | undefined {
    const { reduce_every, reduce_delay = 0 } = this.shape;
    if (reduce_every === undefined || version >= this.updates) return undefined;
    const next = this.#regular(Math.max(0, version), 1);
    // An average that would be there when the last one begins is left to that.
    return next + reduce_delay < this.updates ? next : this.updates;
  }

  /** The version to be averaged regularly that is nearest after (1) or before (−1) `version`. */
  #regular(version: number, side: 1 | -1): number {
    const { reduce_every = 0, update_frequency } = this.shape;
    if (reduce_every > 0) {
      return side === 1
        ? (Math.floor(version / reduce_every) + 1) * reduce_every
        : (Math.ceil(version / reduce_every) - 1) * reduce_every;
    }
    const epochs = (reached: number) =>
      Math.ceil(reached * update_frequency / this.batchesPerEpoch);
    return this.#versionAfter(side === 1 ? epochs(version + 1) : epochs(version) - 1);
  }

  /**
   * The version whose average is taken over once `version` is made, if there is one: that of
   * `reduce_delay` updates before, but no later than the next average begins.
   */
  adopts(version: number): number | undefined {
    const { reduce_delay = 0 } = this.shape;
    if (reduce_delay === 0 || version === this.updates) {
      return this.reduces(version) ? version : undefined;
    }
    const before = version - reduce_delay;
    if (before > 0 && this.reduces(before) && this.nextReduction(before)! >= version) return before;
    if (!this.reduces(version)) return undefined;
    const last = this.#regular(version, -1);
    return last > 0 && last > before ? last : undefined;
  }

  /** Whether the stages wait for the average of `version`, and go on with nothing else. */
  isBarrier(version: number): boolean {
    return this.adopts(version) === version;
  }

  /** The first version after `version` whose average the stages wait for. */
  nextBarrier(version: number): number | undefined {
    const next = this.nextReduction(version);
    return next === undefined || !this.shape.reduce_delay ? next : this.updates;
  }

  /** Number of micro-batches in batch `index` of the run. */
  partsOf(index: number): number {
    return this.#parts(index % this.batchesPerEpoch);
  }

  /** Samples in validation batch `k`. */
  validationSamples(k: number): number {
    const { validation_samples, batch_size } = this.shape;
    return Math.min(batch_size, validation_samples - k * batch_size);
  }

  /** Epoch (from 0, fractional part dropped) in which update `update` begins. */
  epochOf(update: number): number {
    return Math.floor(update * this.shape.update_frequency / this.batchesPerEpoch);
  }

  /** Updates an epoch takes; fractional where accumulation spans epochs. */
  get updatesPerEpoch(): number {
    return this.batchesPerEpoch / this.shape.update_frequency;
  }
}
