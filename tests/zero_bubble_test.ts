/**
 * Schedule `zb`: gradients of weights as graphs of their own, put off. It must give the numbers of
 * one process, as the other synchronous schedules do.
 */
import assert from "node:assert/strict";
import type { RunShape } from "../core/pipeline/mod.ts";
import type { StageSettings } from "../core/run/open_stage.ts";
import type { StageProgram } from "../core/training/mod.ts";
import { runInProcess } from "./in_process.ts";
import type { InProcessRun } from "./in_process.ts";
import { assertClose, problem, settings } from "./made_up_problem.ts";

const EPOCHS = 4;

function changed(
  base: InProcessRun,
  to: { readonly settings?: Partial<StageSettings>; readonly shape?: Partial<RunShape> },
): InProcessRun {
  return {
    ...base,
    settings: { ...settings, schedule: "zb", ...to.settings },
    shape: { ...base.shape, epochs: EPOCHS, ...to.shape },
  };
}

/** A batch in `micro_batches` parts. */
function inParts(base: InProcessRun, micro_batches: number): InProcessRun {
  return changed(base, { settings: { microBatches: micro_batches }, shape: { micro_batches } });
}

const names = (ports: readonly { readonly name: string }[]) => ports.map(({ name }) => name).sort();

/** Asserts that a stage's gradients are in two graphs where somebody waits for one of them. */
function assertSplit({ manifest, graphs }: StageProgram): void {
  const { inputs, parameters, deferred } = manifest;
  const back = inputs.flatMap(({ gradient }) => gradient ?? []);
  const ofWeights = parameters.map(({ gradient }) => gradient).sort();
  const before = graphs.step ?? graphs.backward;
  if (graphs.weights === undefined) {
    // Layers of which all gradients come of the same work.
    assert.ok(
      manifest.parameters.every(({ name }) => /bn|downsample.1/.test(name)),
      `stage ${manifest.stage}`,
    );
    return assert.equal(deferred, undefined);
  }
  assert.deepEqual(names(graphs.weights.outputs), ofWeights, "weights makes all of them");
  if (manifest.stage === 0) return assert.equal(before, undefined, "nobody waits for the root");
  const left = names(before!.outputs).filter((name) => !ofWeights.includes(name));
  assert.equal(left.length, before!.outputs.length, "and nothing else does");
  for (const name of [...back, ...deferred!.map(({ value }) => value)]) {
    assert.ok(left.includes(name));
  }
  const heavy = (nodes: readonly { readonly op: string; readonly outputs: readonly string[] }[]) =>
    nodes.filter(({ op }) => /Conv|MatMul|Gemm|Reduce|Pool/.test(op)).flatMap(({ outputs }) =>
      outputs
    );
  const early = new Set(heavy(before!.nodes));
  assert.deepEqual(heavy(graphs.weights.nodes).filter((name) => early.has(name)), []);
}

Deno.test("2 to 5 stages, in 1 to 8 micro-batches", async () => {
  const base = await problem("residual");
  const cuts: Readonly<Record<number, number[]>> = {
    1: [9],
    2: [3, 11],
    3: [5, 8, 13],
    5: [2, 6, 9, 12],
    8: [4, 7, 10, 14],
  };
  for (const [parts, places] of Object.entries(cuts)) {
    const run = inParts(base, Number(parts));
    const single = await runInProcess(run);
    const result = await runInProcess({ ...run, cuts: places });
    for (const program of result.programs) assertSplit(program);
    assertClose(result, single, `${parts} micro-batches, cuts ${places}`);
  }
});

/**
 * The digits CNN in batches so large, and with steps so small, that rounding stays rounding: with
 * four samples the statistics of a batch make a thousandfold of it in one update.
 */
async function digits(): Promise<InProcessRun> {
  const base = inParts(await problem("digits_cnn", 48), 3);
  const { optimizer } = base.settings;
  return { ...base, settings: { ...base.settings, optimizer: { ...optimizer, lr: 0.01 } } };
}

Deno.test("dropout, batch statistics and recomputing, masks from either", async () => {
  const base = await digits();
  const single = await runInProcess(base);
  const run = { ...base, cuts: [4, 9, 13] };
  for (const recompute of [false, true]) {
    for (const maskAs of ["input", "graph"] as const) {
      const result = await runInProcess({ ...run, recompute, maskAs });
      for (const program of result.programs) assertSplit(program);
      assertClose(result, single, `recompute ${recompute}, masks as ${maskAs}`);
    }
  }
});

Deno.test("clipped by the norm over all stages, over batches that add up", async () => {
  const micro_batches = 3;
  const run = changed(await problem("residual"), {
    settings: {
      clip: { norm: 0.5, scope: "model" },
      microBatches: micro_batches,
      updateFrequency: 2,
    },
    shape: { micro_batches, update_frequency: 2 },
  });
  const single = await runInProcess(run);
  for (const cuts of [[6], [3, 11], [4, 9, 12]]) {
    assertClose(await runInProcess({ ...run, cuts }), single, `cuts ${cuts}`);
  }
});

Deno.test("frozen stages, and a front that sends no gradient back", async () => {
  const run = { ...inParts(await problem("residual"), 3), freeze: ["conv1*", "bn1*", "layer1.*"] };
  const single = await runInProcess(run);
  for (const cuts of [[3, 11], [9, 12]]) {
    assertClose(await runInProcess({ ...run, cuts }), single, `cuts ${cuts}`);
  }
});

Deno.test("stages in the memory of a device, beside others in that of the host", async () => {
  for (const run of [inParts(await problem("residual"), 3), await digits()]) {
    const single = await runInProcess(run);
    for (const engines of [["device", "device", "device"], ["host", "device", "host"]] as const) {
      const result = await runInProcess({ ...run, cuts: [5, 11], engines });
      assertClose(result, single, `on ${engines}`);
    }
  }
});
