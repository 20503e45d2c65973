import assert from "node:assert/strict";
import { foldConstants, numbers, traceFacts } from "../core/onnx/mod.ts";
import type { Graph, Tensor } from "../core/onnx/mod.ts";
import type { StageSettings } from "../core/run/open_stage.ts";
import { LABELS, shapeOf } from "../core/training/mod.ts";
import type { LossConfig, OptimizerConfig } from "../core/training/mod.ts";
import { mlp } from "../models/mod.ts";
import { MadeUpSource, runInProcess } from "./in_process.ts";
import type { InProcessRun } from "./in_process.ts";
import { assertClose, BATCHES, difference, problem, settings } from "./made_up_problem.ts";

const CUTS: readonly (readonly number[])[] = [[9], [3, 11], [2, 7, 12], [2, 5, 9, 13]];
const EPOCHS = 3;

/** The residual net for a few epochs, with other settings. */
async function base(changes: Partial<StageSettings> = {}): Promise<InProcessRun> {
  const run = await problem("residual");
  return {
    ...run,
    settings: { ...settings, ...changes },
    shape: { ...run.shape, epochs: EPOCHS },
  };
}

/** A run of which all batches make one update. */
function oneUpdate(run: InProcessRun): InProcessRun {
  return {
    ...run,
    settings: { ...run.settings, updateFrequency: BATCHES },
    shape: { ...run.shape, epochs: 1, update_frequency: BATCHES },
  };
}

/** The norm of what an update of plain gradient descent with rate 1 took off. */
function normOf(before: ReadonlyMap<string, Tensor>, after: ReadonlyMap<string, Tensor>): number {
  let sum = 0;
  for (const [name, tensor] of before) {
    const next = after.get(name);
    if (next === undefined) continue;
    numbers(tensor).forEach((value, i) => sum += (value - numbers(next)[i]!) ** 2);
  }
  return Math.sqrt(sum);
}

const SGD: OptimizerConfig = {
  type: "sgd",
  lr: 1,
  momentum: 0,
  dampening: 0,
  nesterov: false,
  weight_decay: 0,
};

Deno.test("the norm of all gradients limits an update, over whatever stages", async () => {
  const single = await base({ clip: { norm: 0.5, scope: "model" } });
  const expected = await runInProcess(single);
  const unclipped = await runInProcess(await base());
  assert.ok(difference(unclipped.tensors, expected.tensors).value > 1e-2, "it makes a difference");
  for (const [i, cuts] of CUTS.entries()) {
    const schedule = i % 2 === 0 ? "gpipe" : "1f1b";
    const run = { ...single, cuts, settings: { ...single.settings, schedule } } as const;
    assertClose(await runInProcess(run), expected, `${schedule}, cuts ${cuts}`);
  }
});

Deno.test("an update that is clipped to a norm has that norm", async () => {
  const run = await base({ clip: { norm: 0.125, scope: "model" }, optimizer: SGD });
  const one = oneUpdate(run);
  for (const cuts of [[], [3, 11]]) {
    const { tensors, programs } = await runInProcess({ ...one, cuts });
    const before = new Map(
      programs.flatMap(({ manifest, weights }) =>
        manifest.parameters.map(({ name }) => [name, weights.get(name)!] as const)
      ),
    );
    const norm = normOf(before, tensors);
    assert.ok(Math.abs(norm - 0.125) < 1e-5, `${cuts}: ${norm}`);
  }
});

Deno.test("async clips by the norm of each stage, and by value", async () => {
  const async = { schedule: "async", inFlight: 3, microBatches: 1, optimizer: SGD } as const;
  const run = await base({ ...async, clip: { norm: 0.125, scope: "stage" } });
  const one = oneUpdate({ ...run, shape: { ...run.shape, micro_batches: 1 } });
  const { tensors, programs } = await runInProcess({ ...one, cuts: [3, 11] });
  for (const { manifest, weights } of programs) {
    const own = new Map(manifest.parameters.map(({ name }) => [name, weights.get(name)!]));
    assert.ok(normOf(own, tensors) < 0.125 + 1e-5);
  }
  const limited = { ...one, settings: { ...one.settings, clip: { value: 1e-3 } } };
  const result = await runInProcess({ ...limited, cuts: [9] });
  for (const { manifest, weights } of result.programs) {
    for (const { name } of manifest.parameters) {
      const after = numbers(result.tensors.get(name)!);
      numbers(weights.get(name)!).forEach((value, i) =>
        assert.ok(Math.abs(value - after[i]!) < 1.001e-3, `${name}[${i}]`)
      );
    }
  }
});

Deno.test("every optimizer with groups makes of stages what it makes of one process", async () => {
  const betas = [0.9, 0.99] as const;
  const groups = [{ match: ["*bias"], weight_decay: 0 }, { match: ["*9*", "*1*"], lr: 0.002 }];
  const common = { lr: 0.001, weight_decay: 0.1, groups };
  const optimizers: OptimizerConfig[] = [
    // A larger eps keeps rounding errors of gradients near 0 from becoming whole steps.
    { type: "adamw", betas, eps: 1e-2, ...common },
    { type: "rmsprop", alpha: 0.9, eps: 1e-1, momentum: 0.5, centered: true, ...common },
    { type: "adagrad", lr_decay: 0.1, initial_accumulator_value: 0.1, eps: 1e-2, ...common },
    { type: "lamb", betas, eps: 1e-1, ...common },
  ];
  for (const optimizer of optimizers) {
    const run = await base({ optimizer });
    const single = await runInProcess(run);
    assertClose(await runInProcess({ ...run, cuts: [3, 11] }), single, optimizer.type);
    const engines = ["device", "host", "device"] as const;
    const device = await runInProcess({ ...run, cuts: [3, 11], engines });
    assertClose(device, single, `${optimizer.type} on a device`);
  }
});

/** The same data for a perceptron: without batch statistics micro-batches change nothing else. */
async function perceptron(): Promise<InProcessRun> {
  const run = await base();
  const { evaluate } = run.runtime;
  const model = mlp({ seed: 5, widths: [64, 16, 12, 10] });
  const batch = run.shape.batch_size;
  const graph = foldConstants(model, await traceFacts(model, evaluate, { batch }));
  return { ...run, graph, facts: await traceFacts(graph, evaluate, { batch }) };
}

/** Labels of which the first batch ignores most, and one micro-batch all. */
function sparse(run: InProcessRun, ignored: number): InProcessRun {
  const { samples } = run.source;
  const values = new Map<string, Uint8Array>();
  for (const value of ["input", LABELS]) {
    const bytes = new Uint8Array(samples * (value === LABELS ? 8 : 256));
    run.source.fill(value, { epoch: 0, start: 0, samples }, bytes);
    values.set(value, bytes);
  }
  const labels = new BigInt64Array(values.get(LABELS)!.buffer);
  labels.forEach((_, i) => {
    if ((i < 4) || i % 3 === 0) labels[i] = BigInt(ignored);
  });
  const source = new MadeUpSource(samples, values, run.source.validationSamples);
  return { ...run, source };
}

Deno.test("a mean over what counts is that of the whole batch, however it is cut", async () => {
  const loss: LossConfig = {
    ...{ type: "cross_entropy", label_smoothing: 0.1, ignore_index: -100 },
    weights: [1, 2, 0.5, 1, 1, 3, 1, 1, 0.25, 1],
  };
  const run = { ...sparse(await perceptron(), -100), loss };
  const whole = {
    ...run,
    settings: { ...run.settings, microBatches: 1, updateFrequency: 2 },
    shape: { ...run.shape, micro_batches: 1, update_frequency: 2 },
  };
  const single = await runInProcess(whole);
  for (const [micro_batches, cuts] of [[2, []], [4, [2]], [2, [1, 3]], [3, [1, 2, 3]]] as const) {
    const settings = { ...whole.settings, microBatches: micro_batches };
    const split = { ...whole, settings, shape: { ...whole.shape, micro_batches } };
    const { tensors } = await runInProcess({ ...split, cuts });
    const { value, tensor } = difference(single.tensors, tensors);
    assert.ok(value < 1e-5, `${micro_batches} micro-batches, cuts ${cuts}: ${tensor} ${value}`);
  }
});

Deno.test("several losses on several outputs are one process's over stages", async () => {
  const run = await base();
  const inner = run.graph.nodes[8]!.outputs[0]!;
  const { dims } = run.facts.get(inner)!;
  const shown = { name: inner, dtype: "float32" as const, shape: shapeOf(dims) };
  const graph: Graph = { ...run.graph, outputs: [...run.graph.outputs, shown] };
  const samples = run.source.samples;
  const size = dims.slice(1).reduce((product: number, dim) => product * Number(dim), 1);
  const dense = Float32Array.from({ length: samples * size }, (_, i) => Math.sin(i));
  const given = sparse(run, -100);
  const labels = new Uint8Array(samples * 8);
  given.source.fill(LABELS, { epoch: 0, start: 0, samples }, labels);
  const input = new Uint8Array(samples * 256);
  given.source.fill("input", { epoch: 0, start: 0, samples }, input);
  const source = new MadeUpSource(
    samples,
    new Map([
      ["input", input],
      [`${LABELS}.0`, labels],
      [`${LABELS}.1`, new Uint8Array(dense.buffer)],
    ]),
    run.source.validationSamples,
  );
  const ce = { type: "cross_entropy", label_smoothing: 0, ignore_index: -100 } as const;
  const loss: LossConfig = {
    type: "sum",
    terms: [
      { loss: ce, weight: 1 },
      { loss: { type: "huber", delta: 0.5 }, output: inner, labels: "other", weight: 0.25 },
    ],
  };
  const several = {
    ...run,
    graph,
    source,
    loss,
    labels: [
      { dtype: "int64" as const, dims: [{ perSample: 1 }], classes: 10, column: "classes" },
      { dtype: "float32" as const, dims, column: "other" },
    ],
  };
  const single = await runInProcess(several);
  for (const cuts of CUTS) {
    assertClose(await runInProcess({ ...several, cuts }), single, `cuts ${cuts}`);
  }
  const [{ manifest }] = single.programs as [typeof single.programs[number]];
  assert.equal(manifest.head?.accuracy, "index");
  assert.equal(manifest.head?.ignored, -100);
  await assert.rejects(
    runInProcess({ ...several, loss: { type: "output", output: "no" } }),
    /the model has no output "no"; its outputs are output, /,
  );
});

Deno.test("frozen parameters stay, and nothing below them goes backward", async () => {
  const run = { ...await base(), freeze: ["conv1*", "bn1*", "layer1.*"] };
  const single = await runInProcess(run);
  const [{ manifest, weights, graphs }] = single.programs as [typeof single.programs[number]];
  const names = manifest.parameters.map(({ name }) => name);
  assert.ok(names.length > 0 && names.every((name) => /^(layer2|fc)/.test(name)), `${names}`);
  assert.ok(![...weights.keys()].some((name) => name === "conv1.weight"));
  assert.ok(weights.has("bn1.running_mean"), "running statistics go on");
  assert.equal(graphs.step!.nodes.filter(({ op }) => op === "BatchNormalization").length > 0, true);
  for (const cuts of CUTS) {
    const result = await runInProcess({ ...run, cuts });
    assertClose(result, single, `cuts ${cuts}`);
    const [first] = result.programs;
    if (cuts[0]! <= 3) assert.equal(first!.graphs.backward, undefined);
  }
  const backwards = async (freeze: readonly string[]) => {
    const { programs } = await runInProcess({ ...run, freeze, cuts: [9] });
    return programs[0]!.graphs.backward?.nodes.length ?? 0;
  };
  assert.ok(await backwards(["conv1*", "bn1*"]) < await backwards([]));
  await assert.rejects(
    runInProcess({ ...run, freeze: ["layer3.*"] }),
    /freeze: no parameter of the model matches "layer3\.\*"; the nearest are "layer/,
  );
  await assert.rejects(runInProcess({ ...run, freeze: ["*"] }), /all \d+ parameters .* frozen/);
});
