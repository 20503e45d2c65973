/**
 * Gradients of tables that are summed up by index beside ONNX Runtime: every run must give the
 * numbers of the graphs as they lie in files, in which the sum is made of ordinary operators.
 */
import assert from "node:assert/strict";
import { modelState } from "../core/planning/mod.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { withSharedParameters } from "../core/training/mod.ts";
import { type InProcessRun, runInProcess } from "./in_process.ts";
import { settings } from "./made_up_problem.ts";
import { BOTH, compareSums, type Kind, tableRun } from "./table_problem.ts";

const TWICE = [...BOTH, "words.weight"];

const runOf = (kind?: Kind) => tableRun(Runtime.open({ threads: 2 }), kind);

/** The run with parameters that several stages read sent from one to the other. */
function sharing(run: InProcessRun): InProcessRun {
  const { graph, facts } = run;
  return { ...run, ...withSharedParameters(graph, facts, modelState(graph).trainable) };
}

function inParts(run: InProcessRun, micro_batches: number): InProcessRun {
  return {
    ...run,
    settings: { ...run.settings, microBatches: micro_batches },
    shape: { ...run.shape, micro_batches },
  };
}

Deno.test("one stage, in several micro-batches and in one", async () => {
  const base = await runOf();
  const { losses } = await compareSums({ ...base, shape: { ...base.shape, epochs: 30 } }, "long");
  assert.ok(losses.at(-1)! < losses[0]!, "it learns");
  for (const parts of [1, 4]) await compareSums(inParts(base, parts), `${parts} micro-batches`);
});

Deno.test("an update over several batches, with limited gradients", async () => {
  const base = await runOf();
  await compareSums({
    ...base,
    settings: { ...settings, updateFrequency: 2, clip: { value: 0.002 } },
    shape: { ...base.shape, update_frequency: 2 },
  }, "clip by value");
  const clip = { norm: 0.01, scope: "model" as const };
  await compareSums({ ...base, settings: { ...settings, clip } }, "clip by norm");
});

Deno.test("tables that are looked up twice, and tied to the output", async () => {
  await compareSums(await runOf({ twice: true }), "twice", TWICE);
  await compareSums(await runOf({ tied: true }), "tied");
  await compareSums(await runOf({ tied: true, twice: true }), "tied and twice", TWICE);
});

Deno.test("at every cut, in every synchronous schedule, recomputed or not", async () => {
  const base = await runOf();
  for (let cut = 1; cut < base.graph.nodes.length; cut++) {
    for (const schedule of ["gpipe", "1f1b", "zb"] as const) {
      const run = { ...base, cuts: [cut], settings: { ...settings, schedule } };
      await compareSums({ ...run, recompute: cut % 2 === 0 }, `${schedule}, cut ${cut}`);
    }
  }
});

Deno.test("indices that are computed, in the stage that takes the rows or before it", async () => {
  const base = await runOf({ computed: true });
  await compareSums(base, "one stage");
  for (const [cut, recompute] of [[2, false], [4, false], [4, true]] as const) {
    for (const schedule of ["1f1b", "zb"] as const) {
      const run = { ...base, cuts: [cut], recompute, settings: { ...settings, schedule } };
      await compareSums(run, `${schedule}, cut ${cut}, recompute ${recompute}`);
    }
  }
});

Deno.test("three stages, of which the last sends back a sum of its own", async () => {
  const run = { ...inParts(sharing(await runOf({ twice: true })), 4), cuts: [1, 4] };
  for (const schedule of ["1f1b", "zb"] as const) {
    const settings = { ...run.settings, schedule };
    await compareSums({ ...run, settings }, schedule);
  }
});

Deno.test("tied over stages, where the gradient of the other stage is added", async () => {
  const run = sharing(await runOf({ tied: true }));
  for (const schedule of ["1f1b", "zb"] as const) {
    await compareSums({ ...run, cuts: [4], settings: { ...settings, schedule } }, schedule);
  }
});

Deno.test("async: several versions in flight", async () => {
  const base = inParts(await runOf(), 1);
  const settings = { ...base.settings, schedule: "async" as const, inFlight: 3 };
  await compareSums({ ...base, cuts: [3], settings }, "async");
});

Deno.test("an index outside a table ends the run where the rows are taken", async () => {
  const run = await runOf({ beyond: true });
  await assert.rejects(runInProcess(run), /indices element out of data bounds, idx=90/);
});
