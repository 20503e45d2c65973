import assert from "node:assert/strict";
import { SCHEDULES } from "../core/pipeline/mod.ts";
import { Random } from "../core/random.ts";
import { runInProcess } from "./in_process.ts";
import {
  assertClose,
  BATCHES,
  difference,
  EPOCHS,
  problem,
  settings,
  shape,
} from "./made_up_problem.ts";

Deno.test("gpipe, 1f1b and zb equal one process at every cut of a residual net", async () => {
  const base = await problem("residual");
  const single = await runInProcess(base);
  assert.equal(single.losses.length, 2 * BATCHES * EPOCHS);
  assert.equal(single.validations.length, EPOCHS + 1);
  assert.ok(single.losses.at(-1)! < single.losses[0]! / 2, "the net learns");
  for (let cut = 1; cut < base.graph.nodes.length; cut++) {
    for (const schedule of [cut % 2 === 0 ? "gpipe" : "1f1b", "zb"] as const) {
      const run = { ...base, cuts: [cut], settings: { ...settings, schedule } };
      assertClose(await runInProcess(run), single, `${schedule}, cut before node ${cut}`);
    }
  }
});

Deno.test("so do three and five stages with skips over cuts, and recomputing", async () => {
  const base = await problem("residual");
  const single = await runInProcess(base);
  const count = base.graph.nodes.length;
  const random = new Random(4);
  for (const stages of [3, 5]) {
    for (const schedule of ["gpipe", "1f1b", "zb"] as const) {
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

Deno.test("a skip over two whole stages, in every schedule", async () => {
  const base = await problem("residual");
  const cuts = [3, 5, 8];
  for (const schedule of SCHEDULES) {
    const micro_batches = schedule === "async" ? 1 : 3;
    const run = {
      ...base,
      settings: { ...settings, schedule, inFlight: 1, microBatches: micro_batches },
      shape: { ...base.shape, micro_batches, epochs: 4 },
    };
    const [single, result] = [await runInProcess(run), await runInProcess({ ...run, cuts })];
    const [{ manifest }] = result.programs as [typeof result.programs[number]];
    const readers = manifest.outputs.flatMap(({ to }) =>
      to.map(({ stage, gradient }) => [stage, gradient !== undefined])
    );
    assert.deepEqual(readers, [[1, true], [3, true]]);
    assertClose(result, single, schedule);
  }
});

Deno.test("masks and batch statistics are those of one process, recomputed too", async () => {
  const base = await problem("digits_cnn");
  const single = await runInProcess(base);
  for (const recompute of [false, true]) {
    const result = await runInProcess({ ...base, cuts: [4, 9, 13], recompute });
    assertClose(result, single, `recompute ${recompute}`);
  }
});

Deno.test("async runs repeat bit for bit, and are exact with one in flight", async () => {
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

Deno.test("accumulated updates equal one process with one in flight", async () => {
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
