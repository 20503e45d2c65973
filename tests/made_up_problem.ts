import assert from "node:assert/strict";
import { foldConstants, numbers, traceFacts } from "../core/onnx/mod.ts";
import type { Tensor } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { LABELS } from "../core/training/mod.ts";
import type { RunShape } from "../core/pipeline/mod.ts";
import type { StageSettings } from "../core/run/open_stage.ts";
import { digitsCnn, residual } from "../models/mod.ts";
import { MadeUpSource } from "./in_process.ts";
import type { InProcessResult, InProcessRun } from "./in_process.ts";

const BATCH = 8;
export const BATCHES = 5;
export const EPOCHS = 10;
/** By so many samples the last batch is smaller. */
const MISSING = 3;

/** Gradient descent, since its steps grow no rounding error as Adam's first ones do. */
export const settings: StageSettings = {
  schedule: "1f1b",
  inFlight: 3,
  microBatches: 2,
  updateFrequency: 1,
  optimizer: {
    type: "sgd",
    lr: 0.05,
    momentum: 0.9,
    dampening: 0,
    nesterov: false,
    weight_decay: 1e-4,
  },
  learningRate: { type: "constant" },
  seed: 5,
};

export const shape: RunShape = {
  epochs: EPOCHS,
  samples: BATCH * BATCHES - MISSING,
  batch_size: BATCH,
  micro_batches: settings.microBatches,
  update_frequency: 1,
  validation_samples: 11,
  validation_every: 0,
};

/**
 * A network on noise: a residual net with classes by index, or the digits CNN with one-hot rows.
 */
export async function problem(
  kind: "residual" | "digits_cnn",
  batch: number = BATCH,
): Promise<InProcessRun> {
  const runtime = Runtime.open();
  const model = kind === "residual" ? residual({ seed: 3 }) : digitsCnn({ seed: 3 });
  const traced = await traceFacts(model, runtime.evaluate, { batch });
  const graph = foldConstants(model, traced);
  const facts = await traceFacts(graph, runtime.evaluate, { batch });
  const samples = batch * BATCHES - MISSING;
  const random = new Random(9);
  const images = Float32Array.from({ length: samples * 64 }, () => random.normal());
  const classes = BigInt64Array.from({ length: samples }, () => BigInt(random.integer(10)));
  const oneHot = new Float32Array(samples * 10);
  classes.forEach((label, i) => oneHot[i * 10 + Number(label)] = 1);
  const indexed = kind === "residual";
  const source = new MadeUpSource(
    samples,
    new Map([
      ["input", new Uint8Array(images.buffer)],
      [LABELS, new Uint8Array(indexed ? classes.buffer : oneHot.buffer)],
    ]),
    shape.validation_samples,
  );
  const loss = indexed
    ? { type: "cross_entropy" as const, label_smoothing: 0 }
    : { type: "mse" as const };
  const labels = indexed
    ? { dtype: "int64" as const, dims: [{ perSample: 1 }], classes: 10 }
    : { dtype: "float32" as const, dims: [{ perSample: 1 }, 10] };
  return {
    runtime,
    graph,
    facts,
    source,
    loss,
    labels,
    settings,
    shape: { ...shape, samples, batch_size: batch },
    cuts: [],
  };
}

/** Largest difference of two sets of tensors, relative to the largest element of each tensor. */
export function difference(
  a: ReadonlyMap<string, Tensor>,
  b: ReadonlyMap<string, Tensor>,
): { readonly value: number; readonly tensor: string } {
  assert.deepEqual([...a.keys()].sort(), [...b.keys()].sort());
  let worst = { value: 0, tensor: "" };
  for (const [name, tensor] of a) {
    const [x, y] = [numbers(tensor), numbers(b.get(name)!)];
    let largest = 1e-3;
    for (const value of x) largest = Math.max(largest, Math.abs(value));
    for (let i = 0; i < x.length; i++) {
      const value = Math.abs(x[i]! - y[i]!) / largest;
      if (!(value <= worst.value)) worst = { value, tensor: name };
    }
  }
  return worst;
}

/** Asserts that a run gave the losses and weights of another, to 1e-5. */
export function assertClose(result: InProcessResult, single: InProcessResult, what: string): void {
  const { value, tensor } = difference(single.tensors, result.tensors);
  assert.ok(value < 1e-5, `${what}: ${tensor} differs by ${value}`);
  single.losses.forEach((loss, i) => {
    const off = Math.abs(loss - result.losses[i]!);
    assert.ok(off < 1e-5 * Math.max(1, loss), `${what}: loss ${i} differs by ${off}`);
  });
  assert.equal(result.validations.length, single.validations.length);
}
