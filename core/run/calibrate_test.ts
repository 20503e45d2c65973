import assert from "node:assert/strict";
import { join } from "node:path";
import { lenet } from "../../models/mod.ts";
import { traceFacts } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { buildPrograms, LABELS } from "../training/mod.ts";
import { calibrate } from "./calibrate.ts";
import type { Calibration } from "./calibrate.ts";

const BATCH = 4;

/** @param made is told of how many stages programs were made, each time */
async function calibrated(cache: string, made: number[] = []): Promise<Calibration> {
  using runtime = Runtime.open();
  const graph = lenet({ seed: 1 });
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const programs = (stages: readonly (readonly string[])[]) => {
    made.push(stages.length);
    const found = buildPrograms({
      graph,
      facts,
      stages,
      recompute: stages.map(() => false),
      batch: BATCH,
      loss: { type: "cross_entropy", label_smoothing: 0 },
      labels: { dtype: "int64", dims: [{ perSample: 1 }], classes: 10 },
      labelsFrom: "root",
      maskAs: "input",
    });
    const { inputs, relays } = found[0]!.manifest;
    assert.ok([...inputs, ...relays].some(({ value }) => value === LABELS));
    return found;
  };
  const optimizer = { type: "sgd", lr: 0.1, momentum: 0 } as const;
  const full = { ...optimizer, dampening: 0, nesterov: false, weight_decay: 0 };
  const whole = { key: "lenet", optimizer: full, programs };
  const found = await calibrate({
    runtime,
    graph,
    facts,
    batch: BATCH,
    cache,
    whole,
    overheads: true,
    stages_here: 2,
  });
  assert.deepEqual([...found.times.keys()], graph.nodes.map(({ name }) => name));
  return found;
}

Deno.test("a model is measured once, and what was measured is kept", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ravn-calibrate-" });
  try {
    const cache = join(folder, "calibration.json");
    const made: number[] = [];
    const first = await calibrated(cache, made);
    for (const { forward_ms, backward_ms } of first.times.values()) {
      assert.ok(forward_ms >= 0 && backward_ms >= 0);
    }
    const { cores_used, contention, local, ...rest } = first.overheads!;
    assert.ok(contention >= 1 && contention < 100);
    assert.ok(rest.cut! >= 1 && rest.cut! < 100);
    assert.ok(cores_used > 0 && local.bandwidth_mbps > 0 && local.latency_ms > 0);
    for (const [key, value] of Object.entries(rest)) assert.ok(value >= 0, key);
    await first.save();
    const kept = JSON.parse(await Deno.readTextFile(cache)) as { contention: object };
    assert.equal(Object.keys(kept.contention).length, 1);
    const second = await calibrated(cache, made);
    assert.deepEqual([second.times, second.overheads], [first.times, first.overheads]);
    assert.deepEqual(made, [1, 2]);
    await Deno.writeTextFile(cache, '{"operators": 1}');
    await calibrated(cache, made);
    assert.equal(made.length, 4, "a damaged file counts as none");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
