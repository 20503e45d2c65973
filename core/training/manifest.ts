import { z } from "zod";
import { DTYPES } from "../onnx/tensor.ts";
import type { DType } from "../onnx/tensor.ts";

const dtype = z.enum(Object.keys(DTYPES) as [DType, ...DType[]]);
const extent = z.union([
  z.number().int().nonnegative(),
  z.object({ perSample: z.number().int().positive() }).strict(),
]);
const port = z.object({
  value: z.string(),
  dtype,
  dims: z.array(extent).max(8),
  /** Number of classes, where the value is a class index. */
  classes: z.number().int().positive().optional(),
  /** A class index that stands for "does not count". */
  ignored: z.number().int().optional(),
  /** Name of the label file that holds the value, where there are several. */
  label: z.string().optional(),
  /**
   * Where the value is no data but a ratio: what counts among the labels of a micro-batch as a
   * share of its batch, over its share of the samples. Labels that are ignored do not count, others
   * by the weight of their class.
   */
  counts: z.object({
    labels: z.string(),
    ignored: z.number().int().optional(),
    weights: z.array(z.number()).optional(),
  }).optional(),
});

/** A value that reaches a stage, or leaves it. Dims may be multiples of the batch. */
export type Port = z.infer<typeof port>;

const inputPort = port.extend({
  /** Stage that sends it; `data` where this stage reads it from the data set. */
  from: z.union([z.number().int().nonnegative(), z.literal("data")]),
  /** Output of the backward (or step) graph that is sent back for it. */
  gradient: z.string().optional(),
});

/** An activation, model input or label that a stage reads. */
export type InputPort = z.infer<typeof inputPort>;

const outputPort = port.extend({
  to: z.array(z.object({
    stage: z.number().int().positive(),
    /** Input of the backward graph that takes the gradient coming back from that stage. */
    gradient: z.string().optional(),
  })),
});

/** An activation that a stage makes for later ones. */
export type OutputPort = z.infer<typeof outputPort>;

const parameter = z.object({
  name: z.string(),
  dims: z.array(z.number().int().positive()),
  /** Output of the backward (or step) graph that holds its gradient. */
  gradient: z.string(),
});

/** A trained tensor (float32); its place in the arena follows the order of the list. */
export type Parameter = z.infer<typeof parameter>;

const mask = z.object({
  input: z.string(),
  dims: z.array(extent),
  ratio: z.number().min(0).max(1),
  salt: z.number().int(),
});

const statistic = z.object({
  running: z.string(),
  batch: z.string(),
  kind: z.enum(["mean", "variance"]),
  /** Weight of the new value, as PyTorch counts it. */
  momentum: z.number(),
  /** Elements a batch statistic is taken over. */
  count: extent,
  dims: z.array(z.number().int().positive()),
});

/** A running statistic of a normalization layer, and the batch statistic that feeds it. */
export type RunningStatistic = z.infer<typeof statistic>;

/** `stage.json`: what a provider must know to run one stage. */
export const stageManifest = z.object({
  format: z.literal(1),
  stage: z.number().int().nonnegative(),
  stages: z.number().int().positive(),
  /** Largest micro-batch. */
  batch: z.number().int().positive(),
  inputs: z.array(inputPort),
  outputs: z.array(outputPort),
  /** Data that stage 0 reads and passes on unchanged. */
  relays: z.array(port.extend({ to: z.array(z.number().int().positive()) })),
  parameters: z.array(parameter),
  masks: z.array(mask),
  statistics: z.array(statistic),
  /** Values that forward leaves for backward; empty where backward computes them again. */
  stash: z.array(port),
  /**
   * Where the gradients of the weights have a graph of their own: values that backward (or step)
   * leaves for it.
   */
  deferred: z.array(port).optional(),
  /** Indices by which rows of parameters are taken, where the stage's graphs compute them. */
  indices: z.array(port).optional(),
  recompute: z.boolean(),
  /** Last stage: the scalar loss, the model's output and its class labels. */
  head: z.object({
    loss: z.string(),
    output: port,
    labels: z.string().optional(),
    /** How labels name a class: an index, or one-hot rows as long as the output's. */
    accuracy: z.enum(["index", "onehot"]).optional(),
    /** A class index that does not count in the accuracy. */
    ignored: z.number().int().optional(),
  }).optional(),
}).strict();

/** @see stageManifest */
export type StageManifest = z.infer<typeof stageManifest>;

/**
 * Name of the graph input by which a micro-batch's share in its update is given (float32 scalar).
 */
export const SCALE = "ravn.scale";

/** Name of the graph input that takes the labels; of several, what their names begin with. */
export const LABELS = "ravn.labels";

/** Name of the graph input that takes a ratio of what counts; see `Port.counts`. */
export const COUNTED = "ravn.counted";

/** Whether a port takes labels. */
export function isLabels({ value }: Port): boolean {
  return value === LABELS || value.startsWith(`${LABELS}.`);
}
