import type { Awaited } from "./stage_machine.ts";
import type { WeightVersion } from "./versions.ts";

/** One validation batch to run on a stage. */
export interface EvaluationStep {
  /** Which validation of the run, from 0. */
  readonly validation: number;
  readonly version: WeightVersion;
  /** Validation batch, from 0. */
  readonly batch: number;
}

/**
 * Validations flow through the stages beside training, each on the weights of one exact version,
 * which every stage keeps until it is through. A stage runs at most `window` batches ahead of its
 * consumers.
 */
export class EvaluationMachine {
  readonly #arrivals: Map<number, number>;
  readonly #acknowledged: Map<number, number>;
  readonly #batches: number;
  readonly #window: number;
  /** Versions that this stage has reached and keeps, in order. */
  readonly #due: WeightVersion[] = [];
  #validation = 0;
  #batch = 0;

  constructor(options: {
    readonly producers: readonly number[];
    readonly consumers: readonly number[];
    /** Batches of one validation. */
    readonly batches: number;
    readonly window: number;
  }) {
    this.#arrivals = new Map(options.producers.map((stage) => [stage, 0]));
    this.#acknowledged = new Map(options.consumers.map((stage) => [stage, 0]));
    this.#batches = options.batches;
    this.#window = options.window;
  }

  /** This stage has reached and keeps a version that is to be validated. */
  due(version: WeightVersion): void {
    this.#due.push(version);
  }

  /** Validations that are due here and not finished. */
  get pending(): number {
    return this.#due.length;
  }

  /** Validations finished here. */
  get finished(): number {
    return this.#validation;
  }

  /**
   * Number of a batch counted over all validations; the slot of its buffers is it modulo `window`.
   */
  sequence(validation: number, batch: number): number {
    return validation * this.#batches + batch;
  }

  /** The activations of a validation batch arrived from stage `from`, in order. */
  arrived(from: number, validation: number, batch: number): void {
    this.#count(this.#arrivals, from, this.sequence(validation, batch));
  }

  /** Stage `from` is done with a validation batch that this stage sent. */
  acknowledged(from: number, validation: number, batch: number): void {
    this.#count(this.#acknowledged, from, this.sequence(validation, batch));
  }

  #count(counts: Map<number, number>, from: number, sequence: number): void {
    if (counts.get(from) !== sequence) {
      throw new Error(
        `stage ${from} told of validation batch ${sequence} where ${counts.get(from)} was expected`,
      );
    }
    counts.set(from, sequence + 1);
  }

  /** The validation batch to run now, or undefined while there is none or a message is missing. */
  next(): EvaluationStep | undefined {
    const version = this.#due[0];
    if (version === undefined || this.awaits !== undefined) return undefined;
    return { validation: this.#validation, version, batch: this.#batch };
  }

  /** The message that holds the next validation batch back, where one does. */
  get awaits(): Awaited | undefined {
    if (this.#due.length === 0) return undefined;
    const sequence = this.sequence(this.#validation, this.#batch);
    for (const [stage, count] of this.#arrivals) {
      if (count <= sequence) return { kind: "evaluate", microBatch: this.#batch, stage };
    }
    for (const [stage, count] of this.#acknowledged) {
      if (sequence - count >= this.#window) {
        const microBatch = (sequence - this.#window) % this.#batches;
        return { kind: "evaluated", microBatch, stage };
      }
    }
    return undefined;
  }

  /** The batch that `next` gave is done; returns the version that is no longer needed, if any. */
  completed(): WeightVersion | undefined {
    this.#batch++;
    if (this.#batch < this.#batches) return undefined;
    this.#batch = 0;
    this.#validation++;
    return this.#due.shift();
  }
}
