/**
 * The engine that keeps a stage on a device, with the CPU as the device: it must give the numbers
 * of the engine that keeps it in host memory. Both get graphs in the form that devices take; else
 * the first rounding at which a Relu lets through what it did not before would part them for good.
 */
import assert from "node:assert/strict";
import type { RunShape } from "../core/pipeline/mod.ts";
import type { StageSettings } from "../core/run/open_stage.ts";
import { deviceModel } from "../core/training/device_form.ts";
import { runInProcess } from "./in_process.ts";
import type { InProcessResult, InProcessRun } from "./in_process.ts";
import { assertClose, problem } from "./made_up_problem.ts";

/** Four epochs of five batches, the last one of them smaller. */
const EPOCHS = 4;

function changed(
  base: InProcessRun,
  to: { readonly settings: Partial<StageSettings>; readonly shape: Partial<RunShape> },
): InProcessRun {
  return {
    ...base,
    settings: { ...base.settings, ...to.settings },
    shape: { ...base.shape, epochs: EPOCHS, ...to.shape },
  };
}

/** One micro-batch an update, three under way. */
const asynchronous = {
  settings: { schedule: "async", inFlight: 3, microBatches: 1 },
  shape: { micro_batches: 1 },
} as const;

const rewrite = (model: Uint8Array) => deviceModel(model, "graph.onnx", "cpu").model;

function onHost(run: InProcessRun): Promise<InProcessResult> {
  return runInProcess({ ...run, rewrite });
}

function onDevice(run: InProcessRun): Promise<InProcessResult> {
  return runInProcess({ ...run, engines: new Array(run.cuts.length + 1).fill("device") });
}

async function assertSame(run: InProcessRun, what: string): Promise<void> {
  const [host, device] = [await onHost(run), await onDevice(run)];
  assertClose(device, host, what);
  host.validations.forEach((loss, i) => {
    const off = Math.abs(loss - device.validations[i]!);
    assert.ok(off < 1e-5 * Math.max(1, loss), `${what}: validation ${i} differs by ${off}`);
  });
}

for (const kind of ["residual", "digits_cnn"] as const) {
  Deno.test(`${kind}: whole, in micro-batches that add up`, async () => {
    await assertSame(changed(await problem(kind), { settings: {}, shape: {} }), "whole");
  });

  Deno.test(`${kind}: three stages, asynchronous, with and without recomputing`, async () => {
    const base = changed(await problem(kind), asynchronous);
    for (const recompute of [false, true]) {
      await assertSame({ ...base, cuts: [5, 11], recompute }, `recompute ${recompute}`);
    }
  });

  Deno.test(`${kind}: three stages, several batches an update`, async () => {
    const base = changed(await problem(kind), {
      settings: { ...asynchronous.settings, updateFrequency: 4 },
      shape: { ...asynchronous.shape, update_frequency: 4 },
    });
    await assertSame({ ...base, cuts: [6, 10] }, "accumulated");
  });
}

Deno.test("adam and adamw on a device", async () => {
  const base = await problem("residual");
  const moments = { lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 } as const;
  for (const type of ["adam", "adamw"] as const) {
    const optimizer = { type, ...moments };
    const run = changed(base, {
      settings: { ...asynchronous.settings, optimizer },
      shape: asynchronous.shape,
    });
    await assertSame({ ...run, cuts: [5, 11] }, type);
  }
});

Deno.test("masks are the same from a kernel and from operators, on host and device", async () => {
  const base = changed(await problem("digits_cnn"), { settings: {}, shape: {} });
  const run = { ...base, cuts: [4, 9, 13] };
  const kernel = await onHost(run);
  for (const recompute of [false, true]) {
    const operators = await onHost({ ...run, recompute, maskAs: "graph" });
    assertClose(operators, kernel, `host, recompute ${recompute}`);
    const device = await onDevice({ ...run, recompute, maskAs: "graph" });
    assertClose(device, kernel, `device, recompute ${recompute}`);
  }
});

Deno.test("stages on host and device train together", async () => {
  const base = changed(await problem("digits_cnn"), asynchronous);
  for (const maskAs of ["input", "graph"] as const) {
    const run: InProcessRun = { ...base, cuts: [5, 11], maskAs };
    const mixed = await onHost({ ...run, engines: ["host", "device", "host"] });
    assertClose(mixed, await onHost(run), maskAs);
  }
});

Deno.test("the form of the graphs that devices take trains alike", async () => {
  const base = changed(await problem("digits_cnn", 48), { settings: {}, shape: { epochs: 1 } });
  assertClose(await onDevice(base), await runInProcess(base), "plain graphs on the host");
});
