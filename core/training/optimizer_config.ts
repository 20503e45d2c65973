/** Options of their own for the parameters whose names match; the rest is the optimizer's. */
export interface ParameterGroup {
  /** Glob patterns on parameter names; see `matches` of `name_patterns.ts`. */
  readonly match: readonly string[];
  /** Base rate of the group; the schedule changes it in the ratio in which it changes the other. */
  readonly lr?: number | undefined;
  readonly weight_decay?: number | undefined;
}

/** What every optimizer has. */
interface Common {
  /** Base rate, which the schedule multiplies. */
  readonly lr: number;
  readonly weight_decay: number;
  /** The first group that matches a parameter holds for it. */
  readonly groups?: readonly ParameterGroup[] | undefined;
}

/** Gradient descent; names and defaults are PyTorch's `torch.optim.SGD`. */
export interface SgdConfig extends Common {
  readonly type: "sgd";
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
}

/** Adam, or AdamW with decoupled weight decay; names and defaults are PyTorch's. */
export interface AdamConfig extends Common {
  readonly type: "adam" | "adamw";
  readonly betas: readonly [number, number];
  readonly eps: number;
}

/** RMSprop; names and defaults are PyTorch's `torch.optim.RMSprop`. */
export interface RmspropConfig extends Common {
  readonly type: "rmsprop";
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
  readonly centered: boolean;
}

/** Adagrad; names and defaults are PyTorch's `torch.optim.Adagrad`. */
export interface AdagradConfig extends Common {
  readonly type: "adagrad";
  readonly lr_decay: number;
  readonly initial_accumulator_value: number;
  readonly eps: number;
}

/** Lion (X. Chen et al., 2023), with the names of its paper's programs. */
export interface LionConfig extends Common {
  readonly type: "lion";
  readonly betas: readonly [number, number];
}

/** LAMB (Y. You et al., 2020). */
export interface LambConfig extends Common {
  readonly type: "lamb";
  readonly betas: readonly [number, number];
  readonly eps: number;
}

/** How parameters are updated. */
export type OptimizerConfig =
  | SgdConfig
  | AdamConfig
  | RmspropConfig
  | AdagradConfig
  | LionConfig
  | LambConfig;

/** How gradients are limited before an update; one of the two. */
export type ClipConfig =
  | {
    /** The gradients are scaled so that their norm is at most this. */
    readonly norm: number;
    /** Over which parameters the norm goes: those of the whole model, or of each stage alone. */
    readonly scope: "model" | "stage";
  }
  /** Each element of the gradients is limited to [−value, value]. */
  | { readonly value: number };

/**
 * Factor on the gradients that limits their norm, as PyTorch's `clip_grad_norm_` has it:
 *
 *   min(1, norm / (√squares + 10⁻⁶))
 *
 * @param squares sum of the squares of all gradients
 */
export function clipFactor(norm: number, squares: number): number {
  return Math.min(1, norm / (Math.sqrt(squares) + 1e-6));
}
