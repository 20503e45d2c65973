import { z } from "zod";

/** What the issue of a value that is no integer says; zod's own calls it a number. */
export const AN_INTEGER = "an integer";

/** Any integer. */
export const integer = z.int(AN_INTEGER);
/** An integer of at least 1. */
export const positive = integer.min(1);

const name = z.string().min(1);
const share = z.number().min(0).max(1);
const factor = z.number().positive();
const decay = z.number().min(0);
const classWeights = z.array(z.number().min(0)).min(1).optional();

const LOSSES = [
  ...["mse", "l1", "huber", "smooth_l1", "cross_entropy", "nll"] as const,
  ...["bce", "bce_with_logits", "kl"] as const,
] as const;

/** The losses that compare with labels, each with further keys. */
function computedLosses<Keys extends z.ZodRawShape>(keys: Keys) {
  return z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("mse"), ...keys }),
    z.strictObject({ type: z.literal("l1"), ...keys }),
    z.strictObject({ type: z.literal("huber"), delta: factor.default(1), ...keys }),
    z.strictObject({ type: z.literal("smooth_l1"), beta: z.number().min(0).default(1), ...keys }),
    z.strictObject({
      type: z.literal("cross_entropy"),
      label_smoothing: share.default(0),
      ignore_index: integer.optional(),
      weights: classWeights,
      ...keys,
    }),
    z.strictObject({
      type: z.literal("nll"),
      ignore_index: integer.optional(),
      weights: classWeights,
      ...keys,
    }),
    z.strictObject({ type: z.literal("bce"), ...keys }),
    z.strictObject({
      type: z.literal("bce_with_logits"),
      pos_weight: z.union([factor, z.array(factor).min(1)]).optional(),
      ...keys,
    }),
    z.strictObject({
      type: z.literal("kl"),
      log_target: z.boolean().default(false),
      reduction: z.enum(["mean", "batchmean"]).default("mean"),
      ...keys,
    }),
  ]);
}

const computedLoss = computedLosses({});

/** One of several losses: which output it reads, which labels, and how much it counts. */
const lossTerm = z.union([
  computedLosses({
    output: name.optional(),
    labels: name.optional(),
    weight: factor.default(1),
  }).transform(({ output, labels, weight, ...loss }) => ({
    loss,
    ...(output === undefined ? {} : { output }),
    ...(labels === undefined ? {} : { labels }),
    weight,
  })),
  z.strictObject({ output: name, weight: factor.default(1) })
    .transform(({ output, weight }) => ({
      loss: { type: "output" as const, output },
      output,
      weight,
    })),
]);

/** Key `loss`. */
export const loss = z.union([
  z.enum(LOSSES).transform((type) => computedLoss.parse({ type })),
  computedLoss,
  z.strictObject({ output: name })
    .transform(({ output }) => ({ type: "output" as const, output })),
  z.array(lossTerm).min(1).transform((terms) => ({ type: "sum" as const, terms })),
]);

const common = {
  lr: z.number().min(0).default(0.001),
  groups: z.array(z.strictObject({
    match: z.union([name.transform((pattern) => [pattern]), z.array(name).min(1)]),
    lr: z.number().min(0).optional(),
    weight_decay: decay.optional(),
  })).optional(),
};
const noDecay = { weight_decay: decay.default(0) };
const someDecay = { weight_decay: decay.default(0.01) };
const betas = z.tuple([share, share]);
const moments = { betas: betas.default([0.9, 0.999]), eps: factor.default(1e-8) };

const sgd = z.strictObject({
  type: z.literal("sgd"),
  ...common,
  momentum: z.number().min(0).default(0),
  dampening: z.number().default(0),
  nesterov: z.boolean().default(false),
  ...noDecay,
}).refine((o) => !o.nesterov || (o.momentum > 0 && o.dampening === 0), {
  path: ["nesterov"],
  message: "needs a momentum above 0 and dampening 0",
});

const optimizerOptions = z.discriminatedUnion("type", [
  sgd,
  z.strictObject({ type: z.literal("adam"), ...common, ...moments, ...noDecay }),
  z.strictObject({ type: z.literal("adamw"), ...common, ...moments, ...someDecay }),
  z.strictObject({
    type: z.literal("rmsprop"),
    ...common,
    lr: z.number().min(0).default(0.01),
    alpha: share.default(0.99),
    eps: factor.default(1e-8),
    momentum: z.number().min(0).default(0),
    centered: z.boolean().default(false),
    ...noDecay,
  }),
  z.strictObject({
    type: z.literal("adagrad"),
    ...common,
    lr: z.number().min(0).default(0.01),
    lr_decay: z.number().min(0).default(0),
    initial_accumulator_value: z.number().min(0).default(0),
    eps: factor.default(1e-10),
    ...noDecay,
  }),
  z.strictObject({
    type: z.literal("lion"),
    ...common,
    lr: z.number().min(0).default(1e-4),
    betas: betas.default([0.9, 0.99]),
    ...noDecay,
  }),
  z.strictObject({
    type: z.literal("lamb"),
    ...common,
    betas: betas.default([0.9, 0.999]),
    eps: factor.default(1e-6),
    ...someDecay,
  }),
]);

/** Key `optimizer`. */
export const optimizer = z.union([
  z.enum(["sgd", "adam", "adamw", "rmsprop", "adagrad", "lion", "lamb"])
    .transform((type) => optimizerOptions.parse({ type })),
  optimizerOptions,
]).refine(
  ({ lr, groups }) => lr > 0 || groups?.every((group) => group.lr === undefined) !== false,
  {
    path: ["lr"],
    message: "must be above 0 where a group has an lr, which is scheduled in proportion to it",
  },
);

/** Key `clip`. */
export const clip = z.union([
  z.strictObject({ norm: factor, scope: z.enum(["model", "stage"]).default("model") }),
  z.strictObject({ value: factor }),
]);

const clock = z.enum(["update", "epoch"]);

const plainSchedules = [
  z.strictObject({ type: z.literal("constant") }),
  z.strictObject({
    type: z.literal("step"),
    step_size: positive,
    gamma: factor.default(0.1),
    per: clock.default("epoch"),
  }),
  z.strictObject({ type: z.literal("exponential"), gamma: factor, per: clock.default("epoch") }),
  z.strictObject({
    type: z.literal("cosine"),
    t_max: positive.optional(),
    eta_min: z.number().min(0).default(0),
    per: clock.default("epoch"),
  }),
  z.strictObject({
    type: z.literal("polynomial"),
    total_iters: positive.optional(),
    power: factor.default(1),
    per: clock.default("epoch"),
  }),
  z.strictObject({
    type: z.literal("one_cycle"),
    pct_start: share.default(0.3),
    anneal_strategy: z.enum(["cos", "linear"]).default("cos"),
    div_factor: factor.default(25),
    final_div_factor: factor.default(1e4),
    per: clock.default("update"),
  }),
] as const;

const plainSchedule = z.discriminatedUnion("type", plainSchedules);
const shortSchedule = z.enum(["constant", "cosine", "polynomial", "one_cycle"])
  .transform((type) => plainSchedule.parse({ type }));

/** Key `lr_schedule`. */
export const schedule = z.union([
  shortSchedule,
  z.discriminatedUnion("type", [
    ...plainSchedules,
    z.strictObject({
      type: z.literal("linear_warmup"),
      warmup: positive,
      start_factor: share.default(0),
      then: z.union([shortSchedule, plainSchedule]).optional(),
      per: clock.default("update"),
    }),
  ]),
]);
