import type { BatchPlace } from "../data/mod.ts";

/**
 * Where a stage gets the data that it does not receive from another stage: the root its inputs (and
 * what it passes on), the leaf its labels if it reads them itself.
 */
export interface BatchSource {
  /** Training samples. */
  readonly samples: number;
  /** Validation samples, 0 without a validation set. */
  readonly validationSamples: number;
  /**
   * Makes sure that `fill` has samples `start`, `start + 1`, … of an epoch; a source whose samples
   * all lie in memory needs none of it. Batches are asked for in their order.
   *
   * @returns undefined where they are there already, so that nothing has to be waited for
   */
  ready?(at: BatchPlace): Promise<void> | undefined;
  /** Likewise for `fillValidation`. */
  readyValidation?(start: number, samples: number): Promise<void> | undefined;
  /**
   * Writes samples `start`, `start + 1`, … of an epoch's order into `target`.
   *
   * @param value name of a model input or the labels
   */
  fill(value: string, at: BatchPlace, target: Uint8Array): void;
  /** Writes validation samples in the order of the file. */
  fillValidation(value: string, start: number, samples: number, target: Uint8Array): void;
}

export type { BatchPlace };
