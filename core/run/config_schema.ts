import { z } from "zod";
import { meaningOf } from "./config_keys.ts";
import { DEVICES, RECOMPUTES, SPLITS } from "./requests.ts";

/** What the issue of a value that is no integer says; zod's own calls it a number. */
export const AN_INTEGER = "an integer";

const integer = z.int(AN_INTEGER);
const positive = integer.min(1);
const share = z.number().min(0).max(1);
const decay = z.number().min(0).default(0);
const rate = z.number().min(0).default(0.001);

const computedLoss = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("mse") }),
  z.strictObject({
    type: z.literal("cross_entropy"),
    label_smoothing: share.default(0),
    ignore_index: integer.optional(),
  }),
  z.strictObject({ type: z.literal("nll"), ignore_index: integer.optional() }),
  z.strictObject({ type: z.literal("bce_with_logits") }),
]);

const loss = z.union([
  z.enum(["mse", "cross_entropy", "nll", "bce_with_logits"])
    .transform((type) => computedLoss.parse({ type })),
  computedLoss,
  z.strictObject({ output: z.string().min(1) })
    .transform(({ output }) => ({ type: "output" as const, output })),
]);

const moments = {
  lr: rate,
  betas: z.tuple([share, share]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
};

const sgd = z.strictObject({
  type: z.literal("sgd"),
  lr: rate,
  momentum: z.number().min(0).default(0),
  dampening: z.number().default(0),
  nesterov: z.boolean().default(false),
  weight_decay: decay,
}).refine((o) => !o.nesterov || (o.momentum > 0 && o.dampening === 0), {
  path: ["nesterov"],
  message: "needs a momentum above 0 and dampening 0",
});

const optimizerOptions = z.discriminatedUnion("type", [
  sgd,
  z.strictObject({ type: z.literal("adam"), ...moments, weight_decay: decay }),
  z.strictObject({
    type: z.literal("adamw"),
    ...moments,
    weight_decay: z.number().min(0).default(0.01),
  }),
]);

const optimizer = z.union([
  z.enum(["sgd", "adam", "adamw"]).transform((type) => optimizerOptions.parse({ type })),
  optimizerOptions,
]);

const clock = z.enum(["update", "epoch"]);

const plainSchedules = [
  z.strictObject({ type: z.literal("constant") }),
  z.strictObject({
    type: z.literal("step"),
    step_size: positive,
    gamma: z.number().positive().default(0.1),
    per: clock.default("epoch"),
  }),
  z.strictObject({
    type: z.literal("exponential"),
    gamma: z.number().positive(),
    per: clock.default("epoch"),
  }),
  z.strictObject({
    type: z.literal("cosine"),
    t_max: positive.optional(),
    eta_min: z.number().min(0).default(0),
    per: clock.default("epoch"),
  }),
] as const;

const plainSchedule = z.discriminatedUnion("type", plainSchedules);
const shortSchedule = z.enum(["constant", "cosine"])
  .transform((type) => plainSchedule.parse({ type }));

const schedule = z.union([
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

const path = z.string().min(1);
const files = z.union([path, z.record(z.string(), path)]);
const dataFiles = z.strictObject({ inputs: files, labels: files.optional() });
const auto = z.literal("auto");

/** A top-level key with the meaning that help texts give it. */
function described<T extends z.ZodType>(name: string, type: T): T {
  return type.describe(meaningOf(name));
}

/** Schema of `ravn.yaml`. Types, ranges and defaults stand here and nowhere else. */
export const configSchema = z.strictObject({
  model: described("model", path),
  loss: described("loss", loss.prefault("mse")),
  optimizer: described("optimizer", optimizer.prefault("adam")),
  lr_schedule: described("lr_schedule", schedule.prefault("constant")),
  batch_size: described("batch_size", positive.default(64)),
  epochs: described("epochs", positive.default(100)),
  seed: described("seed", integer.default(42)),
  data: z.strictObject({
    train: dataFiles,
    validation: described("data.validation", dataFiles.optional()),
    shuffle: described("data.shuffle", z.boolean().default(true)),
  }),
  val_freq: described("val_freq", z.union([z.literal("epoch"), positive]).default("epoch")),
  schedule: described("schedule", z.enum(["async", "gpipe", "1f1b"]).default("async")),
  in_flight: described("in_flight", z.union([auto, positive]).default("auto")),
  micro_batches: described("micro_batches", z.union([auto, positive]).default("auto")),
  recompute: described("recompute", z.enum(RECOMPUTES).default("auto")),
  update_frequency: described("update_frequency", positive.default(1)),
  labels: described("labels", z.enum(["root", "leaf"]).default("root")),
  split: described("split", z.enum(SPLITS).default("time")),
  device: described("device", z.enum(DEVICES).default("cpu")),
  threads: described("threads", z.union([auto, positive]).default("auto")),
  transport: described("transport", z.enum(["auto", "tcp", "unix"]).default("auto")),
  timeouts: z.strictObject({
    connect_s: described("timeouts.connect_s", z.number().positive().default(60)),
    silence_s: described("timeouts.silence_s", z.number().positive().default(4)),
  }).prefault({}),
  save: described("save", z.boolean().default(true)),
});

/** What `ravn.yaml` says, defaults filled in. Paths are relative to the current folder. */
export type Config = z.output<typeof configSchema>;

/** JSON Schema (draft 2020-12) of `ravn.yaml`, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    title: "ravn.yaml",
    ...z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" }),
  };
}
