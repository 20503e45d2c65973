import assert from "node:assert/strict";
import { foldConstants, numbers, traceFacts } from "../core/onnx/mod.ts";
import type { Tensor } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { LABELS } from "../core/training/mod.ts";
import type { StageSettings } from "../core/run/open_stage.ts";
import { digitsCnn, residual } from "../models/mod.ts";
import { MadeUpSource, runInProcess } from "./in_process.ts";
import type { InProcessResult } from "./in_process.ts";

const BATCH = 8;
const BATCHES = 5;
const EPOCHS = 10;
/** The last batch is smaller. */
const SAMPLES = BATCH * BATCHES - 3;

const settings: StageSettings = {
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

const shape = {
  epochs: EPOCHS,
  samples: SAMPLES,
  batch_size: BATCH,
  micro_batches: settings.microBatches,
  update_frequency: 1,
  validation_samples: 11,
  validation_every: 0,
};

async function problem(kind: "residual" | "digits_cnn") {
  const runtime = Runtime.open();
  const model = kind === "residual" ? residual({ seed: 3 }) : digitsCnn({ seed: 3 });
  const traced = await traceFacts(model, runtime.evaluate, { batch: BATCH });
  const graph = foldConstants(model, traced);
  const facts = await traceFacts(graph, runtime.evaluate, { batch: BATCH });
  const random = new Random(9);
  const images = Float32Array.from({ length: SAMPLES * 64 }, () => random.normal());
  const classes = BigInt64Array.from({ length: SAMPLES }, () => BigInt(random.integer(10)));
  const oneHot = new Float32Array(SAMPLES * 10);
  classes.forEach((label, i) => oneHot[i * 10 + Number(label)] = 1);
  const indexed = kind === "residual";
  const source = new MadeUpSource(
    SAMPLES,
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
  return { runtime, graph, facts, source, loss, labels, settings, shape, cuts: [] as number[] };
}

/** Largest difference of two sets of tensors, relative to the largest element of each tensor. */
function difference(
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

function assertClose(result: InProcessResult, single: InProcessResult, what: string): void {
  const { value, tensor } = difference(single.tensors, result.tensors);
  assert.ok(value < 1e-5, `${what}: ${tensor} differs by ${value}`);
  single.losses.forEach((loss, i) => {
    const off = Math.abs(loss - result.losses[i]!);
    assert.ok(off < 1e-5 * Math.max(1, loss), `${what}: loss ${i} differs by ${off}`);
  });
  assert.equal(result.validations.length, single.validations.length);
}

Deno.test("gpipe and 1f1b equal one process over 50 steps for every cut of a residual net", async () => {
  const base = await problem("residual");
  const single = await runInProcess(base);
  assert.equal(single.losses.length, 2 * BATCHES * EPOCHS);
  assert.equal(single.validations.length, EPOCHS + 1);
  assert.ok(single.losses.at(-1)! < single.losses[0]! / 2, "the net learns");
  for (let cut = 1; cut < base.graph.nodes.length; cut++) {
    const schedule = cut % 2 === 0 ? "gpipe" : "1f1b";
    const result = await runInProcess({
      ...base,
      cuts: [cut],
      settings: { ...settings, schedule },
    });
    assertClose(result, single, `${schedule}, cut before node ${cut}`);
  }
});

Deno.test("so do three and five stages, whose skips go over several cuts, and recomputing", async () => {
  const base = await problem("residual");
  const single = await runInProcess(base);
  const count = base.graph.nodes.length;
  const random = new Random(4);
  for (const stages of [3, 5]) {
    for (const schedule of ["gpipe", "1f1b"] as const) {
      const places = Array.from({ length: count - 1 }, (_, i) => i + 1);
      random.shuffle(places);
      const cuts = places.slice(0, stages - 1).sort((a, b) => a - b);
      for (const recompute of [false, true]) {
        const run = { ...base, cuts, recompute, settings: { ...settings, schedule } };
        assertClose(await runInProcess(run), single, `${schedule}, cuts ${cuts}, ${recompute}`);
      }
    }
  }
});

Deno.test("dropout masks and batch statistics are the same in a pipeline and when recomputed", async () => {
  const base = await problem("digits_cnn");
  const single = await runInProcess(base);
  for (const recompute of [false, true]) {
    const result = await runInProcess({ ...base, cuts: [4, 9, 13], recompute });
    assertClose(result, single, `recompute ${recompute}`);
  }
});

Deno.test("asynchronous runs repeat bit for bit, and are exact with one micro-batch in flight", async () => {
  const base = await problem("residual");
  const run = (inFlight: number, cuts: number[]) =>
    runInProcess({
      ...base,
      cuts,
      settings: { ...settings, schedule: "async", inFlight, microBatches: 1 },
      shape: { ...shape, micro_batches: 1, epochs: 4 },
    });
  const single = await run(1, []);
  assertClose(await run(1, [5, 11]), single, "one in flight");
  const [first, second] = [await run(3, [5, 11]), await run(3, [5, 11])];
  assert.deepEqual(first.losses, second.losses);
  assert.deepEqual(first.validations, second.validations);
  assert.equal(difference(first.tensors, second.tensors).value, 0);
  assert.notDeepEqual(first.losses, single.losses);
});

Deno.test("accumulated updates of a residual net equal one process with one in flight", async () => {
  const base = await problem("residual");
  const changes = {
    settings: {
      ...settings,
      schedule: "async" as const,
      inFlight: 1,
      microBatches: 1,
      updateFrequency: 4,
    },
    shape: { ...shape, micro_batches: 1, update_frequency: 4, epochs: 4 },
  };
  const single = await runInProcess({ ...base, ...changes });
  assertClose(await runInProcess({ ...base, ...changes, cuts: [6, 10] }), single, "accumulated");
});
