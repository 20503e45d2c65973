import type {
  AdagradUpdate,
  AdamUpdate,
  LambUpdate,
  LionUpdate,
  RmspropUpdate,
  SgdUpdate,
} from "../runtime/mod.ts";
import { matchesAny } from "./name_patterns.ts";
import type { OptimizerConfig } from "./optimizer_config.ts";

/**
 * Update rules over arrays of type `A`: the SIMD kernels of `core/runtime`, or any that compute the
 * same. They read `weights` and write `out`, which may be the same array.
 */
export interface OptimizerKernels<A> {
  adam(weights: A, out: A, gradients: A, m: A, v: A, o: AdamUpdate): void;
  sgd(weights: A, out: A, gradients: A, buffer: A | undefined, o: SgdUpdate): void;
  rmsprop(
    weights: A,
    out: A,
    gradients: A,
    v: A,
    average: A | undefined,
    buffer: A | undefined,
    o: RmspropUpdate,
  ): void;
  adagrad(weights: A, out: A, gradients: A, sums: A, o: AdagradUpdate): void;
  lion(weights: A, out: A, gradients: A, m: A, o: LionUpdate): void;
  /** The arrays hold one whole parameter. */
  lamb(weights: A, out: A, gradients: A, m: A, v: A, o: LambUpdate): void;
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
  readonly gradientScale?: number | undefined;
}

/**
 * Names of the arrays of state that an optimizer keeps for each parameter, those of PyTorch's
 * `state_dict`. They start as {@link initialState}.
 */
export function optimizerSlots(config: OptimizerConfig): readonly string[] {
  switch (config.type) {
    case "sgd":
      return config.momentum === 0 ? [] : ["momentum_buffer"];
    case "rmsprop":
      return [
        "square_avg",
        ...(config.centered ? ["grad_avg"] : []),
        ...(config.momentum === 0 ? [] : ["momentum_buffer"]),
      ];
    case "adagrad":
      return ["sum"];
    case "lion":
      return ["exp_avg"];
    case "adam":
    case "adamw":
    case "lamb":
      return ["exp_avg", "exp_avg_sq"];
  }
}

/** What every element of the state is before the first update. */
export function initialState(config: OptimizerConfig): number {
  return config.type === "adagrad" ? config.initial_accumulator_value : 0;
}

/** Whether an update of a parameter needs the whole of it at once, as a norm of it does. */
export function needsWholeParameters({ type }: OptimizerConfig): boolean {
  return type === "lamb";
}

/** How a parameter is updated: the optimizer's options, or those of its group. */
export interface ParameterRule {
  readonly config: OptimizerConfig;
  /** Factor on the learning rate of an update. */
  readonly rateFactor: number;
}

/** The rules of an optimizer: that of its groups in order, and last its own. */
export function parameterRules(optimizer: OptimizerConfig): readonly ParameterRule[] {
  const { groups = [], ...config } = optimizer;
  const own = groups.map(({ lr, weight_decay }) => ({
    config: { ...config, ...(weight_decay === undefined ? {} : { weight_decay }) },
    rateFactor: lr === undefined ? 1 : lr / config.lr,
  }));
  return [...own, { config, rateFactor: 1 }];
}

/** Parameters by their rule; rules without any are left out. */
export function byRule<P extends { readonly name: string }>(
  optimizer: OptimizerConfig,
  parameters: readonly P[],
): { readonly rule: ParameterRule; readonly parameters: readonly P[] }[] {
  const { groups = [] } = optimizer;
  const rules = parameterRules(optimizer);
  const indexOf = (name: string) => {
    const found = groups.findIndex(({ match }) => matchesAny(match, name));
    return found < 0 ? groups.length : found;
  };
  const members = Map.groupBy(parameters, ({ name }) => indexOf(name));
  return rules.flatMap((rule, i) => {
    const list = members.get(i);
    return list === undefined ? [] : [{ rule, parameters: list }];
  });
}

/** One update of the parameters in `arrays`, as PyTorch defines it; see the kernels. */
export function updateParameters<A>(
  kernels: OptimizerKernels<A>,
  config: OptimizerConfig,
  arrays: UpdateArrays<A>,
  at: UpdateTime,
): void {
  const { weights, out, gradients, slots } = arrays;
  const kept = optimizerSlots(config).length;
  if (slots.length !== kept) {
    throw new RangeError(`${config.type} keeps ${kept} arrays of state, got ${slots.length}`);
  }
  const [first, second] = slots as [A, A];
  const common = {
    lr: at.rate,
    weightDecay: config.weight_decay,
    ...(at.gradientScale === undefined ? {} : { gradientScale: at.gradientScale }),
  };
  const step = at.update;
  switch (config.type) {
    case "sgd": {
      const { momentum, dampening, nesterov } = config;
      const options = { ...common, momentum, dampening, nesterov, first: step === 1 };
      return kernels.sgd(weights, out, gradients, first, options);
    }
    case "rmsprop": {
      const { alpha, eps, momentum, centered } = config;
      const average = centered ? second : undefined;
      const buffer = momentum === 0 ? undefined : slots.at(-1);
      const options = { ...common, alpha, eps, momentum };
      return kernels.rmsprop(weights, out, gradients, first, average, buffer, options);
    }
    case "adagrad": {
      const options = { ...common, lrDecay: config.lr_decay, eps: config.eps, step };
      return kernels.adagrad(weights, out, gradients, first, options);
    }
    case "lion": {
      const [beta1, beta2] = config.betas;
      return kernels.lion(weights, out, gradients, first, { ...common, beta1, beta2 });
    }
    case "lamb": {
      const [beta1, beta2] = config.betas;
      const options = { ...common, beta1, beta2, eps: config.eps, step };
      return kernels.lamb(weights, out, gradients, first, second, options);
    }
    case "adam":
    case "adamw": {
      const [beta1, beta2] = config.betas;
      const decoupled = config.type === "adamw";
      const options = { ...common, beta1, beta2, eps: config.eps, decoupled, step };
      return kernels.adam(weights, out, gradients, first, second, options);
    }
  }
}

export { clipFactor } from "./optimizer_config.ts";
export type {
  AdagradConfig,
  AdamConfig,
  ClipConfig,
  LambConfig,
  LionConfig,
  OptimizerConfig,
  ParameterGroup,
  RmspropConfig,
  SgdConfig,
} from "./optimizer_config.ts";
