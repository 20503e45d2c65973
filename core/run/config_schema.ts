import { z } from "zod";
import { SCHEDULES } from "../pipeline/mod.ts";
import { compression } from "./compression_schema.ts";
import { outer, reduceDelay } from "./averaging_schema.ts";
import { meaningOf } from "./config_keys.ts";
import { dataPart, dataWorkers } from "./data_schema.ts";
import { clip, integer, loss, optimizer, positive, schedule } from "./config_training.ts";
import { DEVICES, RECOMPUTES, SPLITS } from "./requests.ts";
import { SHARDS } from "./sharded_source.ts";

const path = z.string().min(1);
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
  clip: described("clip", clip.optional()),
  freeze: described("freeze", z.array(path).default([])),
  batch_size: described("batch_size", positive.default(64)),
  epochs: described("epochs", positive.default(100)),
  max_updates: described("max_updates", positive.optional()),
  seed: described("seed", integer.default(42)),
  data: z.strictObject({
    train: dataPart,
    validation: described("data.validation", dataPart.optional()),
    shuffle: described("data.shuffle", z.boolean().default(true)),
    shard: described("data.shard", z.enum(SHARDS).default("disjoint")),
    workers: described("data.workers", dataWorkers.default("auto")),
  }),
  val_freq: described("val_freq", z.union([z.literal("epoch"), positive]).default("epoch")),
  schedule: described("schedule", z.enum(SCHEDULES).default("async")),
  in_flight: described("in_flight", z.union([auto, positive]).default("auto")),
  micro_batches: described("micro_batches", z.union([auto, positive]).default("auto")),
  recompute: described("recompute", z.enum(RECOMPUTES).default("auto")),
  update_frequency: described("update_frequency", positive.default(1)),
  reduce_every: described(
    "reduce_every",
    z.union([z.enum(["epoch", "never"]), positive]).default("epoch"),
  ),
  reduce_delay: described("reduce_delay", reduceDelay),
  outer: described("outer", outer),
  average_optimizer: described("average_optimizer", z.boolean().default(false)),
  compression,
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
