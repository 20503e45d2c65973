/**
 * Training steps on a device against the same on the CPU. The device is the one that `RAVN_DEVICE`
 * names (`cuda`, `webgpu`); without it the CPU stands in for one, so that all but the device's own
 * kernels is tested everywhere.
 */
import assert from "node:assert/strict";
import { numbers } from "../core/onnx/mod.ts";
import type { Tensor } from "../core/onnx/mod.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { openStage } from "../core/run/open_stage.ts";
import { DEVICES } from "../core/run/requests.ts";
import { storedStage } from "../core/run/stage_files.ts";
import type { StoredStage } from "../core/run/stage_files.ts";
import { buildPrograms, LABELS } from "../core/training/mod.ts";
import { stagesOf } from "./in_process.ts";
import type { InProcessRun } from "./in_process.ts";
import { problem } from "./made_up_problem.ts";

const named = Deno.env.get("RAVN_DEVICE");
const DEVICE = DEVICES.find((device) => device === named) ?? "cpu";
const BATCH = 16;
/** Samples of the steps: the second and the third are smaller, and add up to one update. */
const STEPS = [16, 11, 5];

/** What two steps and their updates leave, by name. */
type Outcome = ReadonlyMap<string, ArrayLike<number>>;

function ofKind(kind: string, tensors: ReadonlyMap<string, Tensor>): [string, ArrayLike<number>][] {
  return [...tensors].map(([name, value]) => [`${kind} ${name}`, numbers(value)]);
}

async function train(
  runtime: Runtime,
  engine: "host" | "device",
  { stored, base }: { readonly stored: StoredStage; readonly base: InProcessRun },
): Promise<Outcome> {
  const settings = { ...base.settings, microBatches: 1, updateFrequency: 2 };
  await using stage = await openStage(runtime, stored, settings, { engine });
  const { executor, weights } = stage;
  const outcome: [string, ArrayLike<number>][] = [];
  for (const [m, samples] of STEPS.entries()) {
    for (const value of ["input", LABELS]) {
      const place = { epoch: 0, start: m * BATCH, samples };
      base.source.fill(value, place, executor.input(m, value, samples));
      base.source.fillValidation(value, 0, samples, executor.validationInput(0, value, samples));
    }
    const loss = await executor.step(m, samples, 0, { scale: samples / 16, first: m < 2 });
    if (m !== 1) await weights.update(0, m === 0 ? 0 : 1, { rate: 0.05, update: m });
    await executor.keepStatistics();
    const validation = await executor.evaluate(0, samples, m === 2 ? 1 : 0);
    outcome.push(
      [`loss ${m}`, [loss, validation!]],
      ...ofKind(`gradient ${m}`, await weights.gradients()),
    );
  }
  outcome.push(...ofKind("weight", await weights.tensors(1)));
  outcome.push(...ofKind("statistic", await executor.statistics()));
  return new Map(outcome);
}

for (const kind of ["residual", "digits_cnn"] as const) {
  for (const maskAs of kind === "residual" ? ["input"] as const : ["input", "graph"] as const) {
    Deno.test(`${kind}, masks as ${maskAs}: steps on ${DEVICE} are the CPU's`, async () => {
      const base = await problem(kind, BATCH);
      const [program] = buildPrograms({
        ...base,
        labels: base.labels!,
        stages: stagesOf(base.graph, []),
        recompute: [false],
        batch: BATCH,
        labelsFrom: "root",
        maskAs,
      });
      const stored = storedStage(program!);
      const host = await train(Runtime.open(), "host", { stored, base });
      const device = await train(Runtime.open({ device: DEVICE }), "device", { stored, base });
      assert.deepEqual([...device.keys()], [...host.keys()]);
      for (const [name, expected] of host) {
        const given = device.get(name)!;
        const largest = Array.from(expected, Math.abs).reduce((a, b) => Math.max(a, b), 1e-4);
        Array.from(expected, (value, i) => {
          const off = Math.abs(value - given[i]!) / largest;
          assert.ok(off < 1e-3, `${name}[${i}]: ${given[i]}, expected ${value}`);
        });
      }
    });
  }
}
