/** Whether a schedule's clock counts updates or epochs, both from 0. */
export type Clock = "update" | "epoch";

/** How the learning rate changes. `rate` is the base rate, t the clock of the schedule. */
export type RateSchedule =
  | PlainSchedule
  /**
   * From start_factor·rate straight up to rate over `warmup` ticks, PyTorch's `LinearLR`; then
   * another schedule, whose clock starts at 0 there, PyTorch's `SequentialLR`.
   */
  | {
    readonly type: "linear_warmup";
    readonly per: Clock;
    readonly warmup: number;
    readonly start_factor: number;
    readonly then?: PlainSchedule | undefined;
  };

/** A schedule that does not end in another one. */
export type PlainSchedule =
  | { readonly type: "constant" }
  /** rate · gamma^⌊t / step_size⌋, PyTorch's `StepLR`. */
  | {
    readonly type: "step";
    readonly per: Clock;
    readonly step_size: number;
    readonly gamma: number;
  }
  /** rate · gamma^t, PyTorch's `ExponentialLR`. */
  | { readonly type: "exponential"; readonly per: Clock; readonly gamma: number }
  /**
   * eta_min + (rate − eta_min)(1 + cos(π t / t_max)) / 2, PyTorch's `CosineAnnealingLR`
   * (I. Loshchilov, F. Hutter, "SGDR", 2017). `t_max` is the rest of the run if absent.
   */
  | {
    readonly type: "cosine";
    readonly per: Clock;
    readonly t_max?: number | undefined;
    readonly eta_min: number;
  }
  /**
   * rate · (1 − min(t, total) / total)^power, PyTorch's `PolynomialLR`. `total_iters` is the rest
   * of the run if absent.
   */
  | {
    readonly type: "polynomial";
    readonly per: Clock;
    readonly total_iters?: number | undefined;
    readonly power: number;
  }
  /**
   * Up from rate / div_factor to rate over the share `pct_start` of the run, and down to the first
   * rate over final_div_factor at its end: PyTorch's `OneCycleLR` with `max_lr` rate and without
   * cycled momentum (L. Smith, N. Topin, "Super-Convergence", 2018).
   */
  | {
    readonly type: "one_cycle";
    readonly per: Clock;
    readonly pct_start: number;
    readonly anneal_strategy: "cos" | "linear";
    readonly div_factor: number;
    readonly final_div_factor: number;
  };

/** Where a run is, and how long it is. */
export interface RunTime {
  /** Number of the update that is about to happen, from 0. */
  readonly update: number;
  /** Epoch it belongs to, from 0. */
  readonly epoch: number;
  /** Updates of the whole run. */
  readonly updates: number;
  /** Epochs of the whole run. */
  readonly epochs: number;
}

/** Learning rate of one update; a pure function of time, so that a resumed run goes on exactly. */
export function learningRate(schedule: RateSchedule, rate: number, at: RunTime): number {
  if (schedule.type !== "linear_warmup") return plainRate(schedule, rate, at);
  const { warmup, start_factor, per, then } = schedule;
  const t = at[per];
  if (t < warmup) return rate * (start_factor + (1 - start_factor) * t / warmup);
  return then === undefined ? rate : plainRate(then, rate, afterWarmup(at, warmup, per));
}

/** The time of a run that starts when the warm-up has ended. */
function afterWarmup(at: RunTime, warmup: number, per: Clock): RunTime {
  const updatesPerEpoch = at.updates / at.epochs;
  if (per === "epoch") {
    return {
      update: Math.max(0, at.update - Math.ceil(warmup * updatesPerEpoch)),
      epoch: at.epoch - warmup,
      updates: at.updates - warmup * updatesPerEpoch,
      epochs: at.epochs - warmup,
    };
  }
  return {
    update: at.update - warmup,
    epoch: Math.floor((at.update - warmup) / updatesPerEpoch),
    updates: at.updates - warmup,
    epochs: at.epochs - warmup / updatesPerEpoch,
  };
}

function plainRate(schedule: PlainSchedule, rate: number, at: RunTime): number {
  switch (schedule.type) {
    case "constant":
      return rate;
    case "step":
      return rate * schedule.gamma ** Math.floor(at[schedule.per] / schedule.step_size);
    case "exponential":
      return rate * schedule.gamma ** at[schedule.per];
    case "polynomial": {
      const { per, power, total_iters } = schedule;
      const total = total_iters ?? lengthOf(per, at);
      if (total <= 0) return rate;
      return rate * (1 - Math.min(at[per], total) / total) ** power;
    }
    case "one_cycle":
      return oneCycle(schedule, rate, at);
    case "cosine": {
      const { eta_min, per, t_max } = schedule;
      const period = t_max ?? lengthOf(per, at);
      // A run that ends with its warm-up has nothing to anneal over.
      if (period <= 0) return rate;
      return eta_min + (rate - eta_min) * (1 + Math.cos(Math.PI * at[per] / period)) / 2;
    }
  }
}

function lengthOf(per: Clock, at: RunTime): number {
  return per === "update" ? at.updates : at.epochs;
}

function oneCycle(
  schedule: Extract<PlainSchedule, { type: "one_cycle" }>,
  rate: number,
  at: RunTime,
): number {
  const { per, pct_start, div_factor, final_div_factor } = schedule;
  const total = lengthOf(per, at);
  const initial = rate / div_factor;
  const top = pct_start * total - 1;
  const t = Math.min(at[per], total - 1);
  const between = (from: number, to: number, share: number) =>
    schedule.anneal_strategy === "linear"
      ? from + (to - from) * share
      : to + (from - to) / 2 * (1 + Math.cos(Math.PI * share));
  if (t <= top && top > 0) return between(initial, rate, t / top);
  // A run that is too short to rise begins at the top.
  const begin = Math.max(0, top);
  const end = total - 1;
  return between(rate, initial / final_div_factor, end > begin ? (t - begin) / (end - begin) : 1);
}
