import assert from "node:assert/strict";
import { loadModel } from "../core/run/model_file.ts";
import { numbers } from "../core/onnx/mod.ts";
import { modelState } from "../core/planning/mod.ts";
import { Random } from "../core/random.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { LABELS, sharedValue, withSharedParameters } from "../core/training/mod.ts";
import { MadeUpSource, runInProcess } from "./in_process.ts";
import type { InProcessResult, InProcessRun } from "./in_process.ts";
import { assertClose, difference, settings, shape } from "./made_up_problem.ts";

const SAMPLES = 12;
const LENGTH = 6;
const VOCABULARY = 17;
const TIED = "tokens.weight";

/** A GPT block that PyTorch exported: its embedding is its output projection, too. */
async function gpt(): Promise<{ readonly plain: InProcessRun; readonly shared: InProcessRun }> {
  const runtime = Runtime.open();
  const file = new URL("../fixtures/exports/gpt_tied_13.onnx", import.meta.url).pathname;
  const sizes = () => ({ sizes: new Map([["sequence", LENGTH]]) });
  const { graph, facts } = await loadModel(file, runtime.evaluate, sizes);
  const random = new Random(2);
  const tokens = () =>
    BigInt64Array.from({ length: SAMPLES * LENGTH }, () => BigInt(random.integer(VOCABULARY)));
  const plain: InProcessRun = {
    runtime,
    graph,
    facts,
    source: new MadeUpSource(
      SAMPLES,
      new Map([["ids", new Uint8Array(tokens().buffer)], [
        LABELS,
        new Uint8Array(tokens().buffer),
      ]]),
      4,
    ),
    loss: { type: "cross_entropy", label_smoothing: 0 },
    labels: { dtype: "int64", dims: [{ perSample: 1 }, LENGTH], classes: VOCABULARY },
    settings,
    shape: { ...shape, epochs: 3, samples: SAMPLES, batch_size: 4, validation_samples: 4 },
    cuts: [],
  };
  const shared = withSharedParameters(graph, facts, modelState(graph).trainable);
  return { plain, shared: { ...plain, ...shared } };
}

/** Cuts such that embedding and projection fall in different stages. */
function cutsInto(run: InProcessRun, stages: number): number[] {
  const count = run.graph.nodes.length;
  return Array.from({ length: stages - 1 }, (_, i) => Math.floor((i + 1) * count / stages));
}

/** The stages that hold the tied weights as a parameter, and those that get them sent. */
function homesOf({ programs }: InProcessResult): { owners: number[]; readers: number[] } {
  const stages = programs.map(({ manifest }) => manifest);
  const owners = stages.filter(({ parameters }) => parameters.some(({ name }) => name === TIED));
  const readers = stages.filter(({ inputs }) =>
    inputs.some(({ value, gradient }) => value === sharedValue(TIED) && gradient !== undefined)
  );
  return {
    owners: owners.map(({ stage }) => stage),
    readers: readers.map(({ stage }) => stage),
  };
}

Deno.test("tied weights in different stages equal one process", async () => {
  const { plain, shared } = await gpt();
  const single = await runInProcess(plain);
  assert.ok(single.losses.at(-1)! < single.losses[0]!, "it learns");
  const runs = [[2, "1f1b"], [3, "gpipe"], [5, "1f1b"], [2, "zb"], [5, "zb"]] as const;
  for (const [stages, schedule] of runs) {
    const run = { ...shared, cuts: cutsInto(shared, stages), settings: { ...settings, schedule } };
    const result = await runInProcess(run);
    assert.deepEqual(homesOf(result), { owners: [0], readers: [stages - 1] });
    assertClose(result, single, `${schedule}, ${stages} stages`);
  }
});

Deno.test("so they do when the forward is computed again", async () => {
  const { plain, shared } = await gpt();
  const single = await runInProcess(plain);
  for (const schedule of ["1f1b", "zb"] as const) {
    const run = { ...shared, cuts: cutsInto(shared, 3), settings: { ...settings, schedule } };
    assertClose(await runInProcess({ ...run, recompute: true }), single, `${schedule}, recomputed`);
  }
});

Deno.test("async: exact with one in flight, the same every time with more", async () => {
  const { plain, shared } = await gpt();
  const at = (base: InProcessRun, inFlight: number, cuts: number[]) =>
    runInProcess({
      ...base,
      cuts,
      settings: { ...settings, schedule: "async", inFlight, microBatches: 1 },
      shape: { ...base.shape, micro_batches: 1 },
    });
  const single = await at(plain, 1, []);
  const cuts = cutsInto(shared, 3);
  assertClose(await at(shared, 1, cuts), single, "one in flight");
  const [first, second] = [await at(shared, 3, cuts), await at(shared, 3, cuts)];
  assert.deepEqual(first.losses, second.losses);
  assert.equal(difference(first.tensors, second.tensors).value, 0);
});

Deno.test("a parameter that is read once keeps its place", async () => {
  const { shared } = await gpt();
  const identities = shared.graph.nodes.filter(({ op }) => op === "Identity");
  assert.deepEqual(identities.map(({ inputs }) => inputs[0]), [TIED]);
  assert.ok(numbers(shared.graph.initializers.get(TIED)!).length > 0);
});
