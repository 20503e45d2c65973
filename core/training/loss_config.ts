/** A loss that is computed from a model output and labels, as PyTorch defines each. */
export type ComputedLoss =
  | { readonly type: "mse" }
  | { readonly type: "l1" }
  /** `delta`: where the square becomes a line. */
  | { readonly type: "huber"; readonly delta: number }
  /** `beta`: where the square becomes a line; 0 is l1. */
  | { readonly type: "smooth_l1"; readonly beta: number }
  | CrossEntropyLoss
  | NllLoss
  /** Of probabilities. */
  | { readonly type: "bce" }
  | {
    readonly type: "bce_with_logits";
    /** Weight of the positive labels, for all or for each element of the last axis. */
    readonly pos_weight?: number | readonly number[] | undefined;
  }
  | {
    readonly type: "kl";
    /** Whether the labels are log-probabilities. */
    readonly log_target: boolean;
    /** Mean over all elements, or their sum over the number of samples. */
    readonly reduction: "mean" | "batchmean";
  };

/** What class losses have in common. */
interface ClassLoss {
  /** Places with this class index do not count. */
  readonly ignore_index?: number | undefined;
  /** How much each class counts; PyTorch's `weight`. */
  readonly weights?: readonly number[] | undefined;
}

/** Cross entropy of logits. */
export interface CrossEntropyLoss extends ClassLoss {
  readonly type: "cross_entropy";
  /** Share of the probability that is spread evenly over all classes, 0 to 1. */
  readonly label_smoothing: number;
}

/** Negative log likelihood of log-probabilities. */
export interface NllLoss extends ClassLoss {
  readonly type: "nll";
}

/** An output of the model is the loss. */
export interface OutputLoss {
  readonly type: "output";
  readonly output: string;
}

/** One of several losses. */
export interface LossTerm {
  readonly loss: ComputedLoss | OutputLoss;
  /** Name of the model output that it reads; the first if absent. */
  readonly output?: string | undefined;
  /** Name of its labels among `data.train.labels`; the only ones if absent. */
  readonly labels?: string | undefined;
  /** Factor on the loss in the sum. */
  readonly weight: number;
}

/** What training makes small. */
export type LossConfig =
  | ComputedLoss
  | OutputLoss
  /** The weighted sum of several losses. */
  | { readonly type: "sum"; readonly terms: readonly LossTerm[] };

/** The losses of a configuration with their weights; one for a single loss. */
export function lossTerms(loss: LossConfig): readonly LossTerm[] {
  if (loss.type === "sum") return loss.terms;
  return [{ loss, weight: 1, ...(loss.type === "output" ? { output: loss.output } : {}) }];
}

/** Whether the places of a loss may count differently, so that its mean depends on the labels. */
export function countsUnevenly(loss: ComputedLoss): loss is CrossEntropyLoss | NllLoss {
  if (loss.type !== "cross_entropy" && loss.type !== "nll") return false;
  return loss.ignore_index !== undefined || loss.weights !== undefined;
}
