import type { Operation } from "../pipeline/mod.ts";
import type { StageWork } from "../planning/mod.ts";

/** Weights are float32. */
export const ELEMENT_BYTES = 4;

/** What one core reads and writes, bytes a ms: 8 GB/s, as planning takes it. */
export const MEMORY_BYTES_PER_MS = 8e6;

/** What a stage computes with. */
export interface StageTimesOptions {
  readonly work: StageWork;
  /** Samples of the micro-batches for which `work` has the times. */
  readonly samples: number;
  /** Elements of the trainable parameters. */
  readonly elements: number;
  /** Whether the gradients of the weights are an operation of their own. */
  readonly partsWeights: boolean;
  /** Draws how many times longer than predicted something takes. */
  readonly noise: () => number;
}

/** How long a stage's operations take. */
export class StageTimes {
  readonly #o: StageTimesOptions;

  constructor(options: StageTimesOptions) {
    this.#o = options;
  }

  /** Time of an operation on `samples` samples, ms; times go with the number of samples. */
  of(type: Operation["type"] | "validate", samples: number): number {
    const { work, elements, partsWeights, noise } = this.#o;
    const { forward_ms, backward_ms, weights_ms, update_ms, overhead_ms } = work;
    const share = samples / this.#o.samples;
    const bytes = elements * ELEMENT_BYTES;
    const apart_ms = partsWeights ? weights_ms : 0;
    switch (type) {
      case "forward":
      case "validate":
        return noise() * (share * forward_ms + overhead_ms / 2);
      case "backward":
        return noise() * (share * (backward_ms - apart_ms) + overhead_ms / 2);
      case "weights":
        return noise() * share * weights_ms;
      case "step":
        return noise() * (share * (forward_ms + backward_ms - apart_ms) + overhead_ms);
      case "update":
        return noise() * update_ms;
      case "norm":
        return noise() * bytes / MEMORY_BYTES_PER_MS;
      case "reduce":
      case "adopt":
        // A copy: every byte is read and written.
        return noise() * 2 * bytes / MEMORY_BYTES_PER_MS;
    }
  }
}
