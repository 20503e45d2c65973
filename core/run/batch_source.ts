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
   * Writes samples `start`, `start + 1`, … of an epoch's order into `target`.
   *
   * @param value name of a model input or the labels
   */
  fill(
    value: string,
    at: { readonly epoch: number; readonly start: number; readonly samples: number },
    target: Uint8Array,
  ): void;
  /** Writes validation samples in the order of the file. */
  fillValidation(value: string, start: number, samples: number, target: Uint8Array): void;
}
