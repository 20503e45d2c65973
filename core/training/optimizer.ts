import type { AdamUpdate, SgdUpdate } from "../runtime/mod.ts";

/** Gradient descent; names and defaults are PyTorch's `torch.optim.SGD`. */
export interface SgdConfig {
  readonly type: "sgd";
  readonly lr: number;
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  readonly weight_decay: number;
}

/** Adam, or AdamW with decoupled weight decay; names and defaults are PyTorch's. */
export interface AdamConfig {
  readonly type: "adam" | "adamw";
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weight_decay: number;
}

/** How parameters are updated. `lr` is the base rate that the schedule multiplies. */
export type OptimizerConfig = SgdConfig | AdamConfig;

/**
 * Update rules over arrays of type `A`: the SIMD kernels of `core/runtime`, or any that compute the
 * same. They read `weights` and write `out`, which may be the same array.
 */
export interface OptimizerKernels<A> {
  adam(weights: A, out: A, gradients: A, m: A, v: A, o: AdamUpdate): void;
  sgd(weights: A, out: A, gradients: A, buffer: A | undefined, o: SgdUpdate): void;
}

/** The arrays of one update, equally long. */
export interface UpdateArrays<A> {
  readonly weights: A;
  /** Where the new weights go. */
  readonly out: A;
  readonly gradients: A;
  /** Optimizer state, one array for each of {@link optimizerSlots}; changed in place. */
  readonly slots: readonly A[];
}

/** When an update happens. */
export interface UpdateTime {
  /** Learning rate of this update. */
  readonly rate: number;
  /** Number of this update, from 1; it goes on counting when a run is resumed. */
  readonly update: number;
  /** Factor on the gradient; 1 by default. */
  readonly gradientScale?: number;
}

/**
 * Names of the arrays of state that an optimizer keeps for each parameter, those of PyTorch's
 * `state_dict`. They start as zeros.
 */
export function optimizerSlots(config: OptimizerConfig): readonly string[] {
  if (config.type !== "sgd") return ["exp_avg", "exp_avg_sq"];
  return config.momentum === 0 ? [] : ["momentum_buffer"];
}

/** One update of the parameters in `arrays`, as PyTorch defines it; see the kernels. */
export function updateParameters<A>(
  kernels: OptimizerKernels<A>,
  config: OptimizerConfig,
  arrays: UpdateArrays<A>,
  at: UpdateTime,
): void {
  const { weights, out, gradients, slots } = arrays;
  const scaled = at.gradientScale === undefined ? {} : { gradientScale: at.gradientScale };
  if (config.type === "sgd") {
    kernels.sgd(weights, out, gradients, slots[0], {
      lr: at.rate,
      momentum: config.momentum,
      dampening: config.dampening,
      nesterov: config.nesterov,
      weightDecay: config.weight_decay,
      first: at.update === 1,
      ...scaled,
    });
    return;
  }
  const [m, v] = slots;
  if (m === undefined || v === undefined) {
    throw new RangeError(`${config.type} keeps 2 arrays of state, got ${slots.length}`);
  }
  kernels.adam(weights, out, gradients, m, v, {
    lr: at.rate,
    beta1: config.betas[0],
    beta2: config.betas[1],
    eps: config.eps,
    weightDecay: config.weight_decay,
    decoupled: config.type === "adamw",
    step: at.update,
    ...scaled,
  });
}
