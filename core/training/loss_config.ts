/** What training makes small. `mean` reduction throughout, as PyTorch defines each. */
export type LossConfig =
  | { readonly type: "mse" }
  | {
    readonly type: "cross_entropy";
    /** Share of the probability that is spread evenly over all classes, 0 to 1. */
    readonly label_smoothing: number;
    /** Samples with this class index do not count. */
    readonly ignore_index?: number | undefined;
  }
  | { readonly type: "nll"; readonly ignore_index?: number | undefined }
  | { readonly type: "bce_with_logits" }
  /** An output of the model is the loss. */
  | { readonly type: "output"; readonly output: string };

/** A loss that is computed from a model output and labels. */
export type ComputedLoss = Exclude<LossConfig, { type: "output" }>;
