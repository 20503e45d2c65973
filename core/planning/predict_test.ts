import assert from "node:assert/strict";
import { predict } from "./predict.ts";
import { rateAmong } from "./predict_timeline.ts";
import type { ClusterWork, LinkWork, StageWork } from "./predict.ts";

function stage(node: number, changes: Partial<StageWork> = {}): StageWork {
  return {
    node: `node_${node}`,
    host: `host${node}`,
    forward_ms: 10,
    backward_ms: 20,
    weights_ms: 0,
    update_ms: 0,
    overhead_ms: 0,
    cores_used: 1,
    memory_bytes: 1000,
    ram_bytes: 2000,
    ...changes,
  };
}

/** Links between neighbours, both ways. */
function chained(stages: number, link: Partial<LinkWork> = {}): LinkWork[] {
  return Array.from({ length: stages - 1 }, (_, s) => [
    { from: s, to: s + 1, bytes: 0, bandwidth_mbps: 1000, latency_ms: 0, ...link },
    { from: s + 1, to: s, bytes: 0, bandwidth_mbps: 1000, latency_ms: 0, ...link },
  ]).flat();
}

function cluster(changes: Partial<ClusterWork> & Pick<ClusterWork, "stages">): ClusterWork {
  return {
    schedule: "async",
    batch_size: 60,
    micro_batches: 1,
    in_flight: changes.stages.length,
    update_frequency: 1,
    links: chained(changes.stages.length),
    cores: new Map(),
    ...changes,
  };
}

function near(got: number, expected: number): void {
  assert.ok(Math.abs(got - expected) <= 1e-6 * expected, `${got}, expected ${expected}`);
}

Deno.test("one stage: forward, backward, overhead and its share of the update", () => {
  const { step_ms, samples_per_s, bubble, limits, stages } = predict(cluster({
    stages: [stage(0, { update_ms: 4, overhead_ms: 1 })],
    micro_batches: 2,
    update_frequency: 2,
  }));
  near(step_ms, 2 * 31 + 2);
  near(samples_per_s, 60_000 / 64);
  assert.ok(Math.abs(bubble) < 1e-9);
  assert.equal(limits[0]!.what, "compute of node_0");
  assert.equal(stages[0]!.update_ms, 2);
});

Deno.test("async: the slowest stage sets the pace of even the longest pipeline", () => {
  const stages = [stage(0), stage(1, { forward_ms: 15, backward_ms: 25 }), stage(2)];
  const { step_ms, bubble, limits, stages: parts } = predict(cluster({ stages }));
  near(step_ms, 40);
  assert.equal(limits[0]!.what, "compute of node_1");
  near(bubble, (10 + 0 + 10) / 120);
  near(parts[0]!.waiting_ms, 10);
  const long = Array.from({ length: 80 }, (_, s) => stage(s));
  near(predict(cluster({ stages: long })).step_ms, 30);
});

Deno.test("async: too few micro-batches in flight wait for the way there and back", () => {
  const stages = [stage(0), stage(1)];
  const links = chained(2, { latency_ms: 20 });
  const { step_ms, limits } = predict(cluster({ stages, links }));
  near(step_ms, (60 + 40) / 2);
  assert.equal(limits[0]!.kind, "round trip");
  near(predict(cluster({ stages, links, in_flight: 1 })).step_ms, 100);
  near(predict(cluster({ stages, links, in_flight: 8 })).step_ms, 30);
});

Deno.test("a link or a connection that is slower than the stages limits", () => {
  const stages = [stage(0), stage(1), stage(2)].map((one) => ({ ...one, connection_mbps: 100 }));
  // 1 MB on 100 Mbit/s is 80 ms
  const links = chained(3).map((link) => ({
    ...link,
    bandwidth_mbps: 100,
    bytes: link.from === 0 || link.to === 0 ? 1e6 : 1000,
  }));
  const { limits, step_ms, links: loads } = predict(cluster({ stages, links, in_flight: 20 }));
  assert.match(limits[0]!.what, /^connection of node_1$/);
  near(limits[0]!.step_ms, 80.08);
  assert.ok(limits.some(({ what }) => what === "link node_0 → node_1"));
  assert.ok(step_ms >= 80.08);
  assert.deepEqual(loads[0], { from: "node_0", to: "node_1", bytes: 1e6, busy_ms: 80 });
});

Deno.test("nodes on one machine share its cores", () => {
  const stages = [0, 1, 2].map((s) => stage(s, { host: "h" }));
  const two = predict(cluster({ stages, cores: new Map([["h", 2]]) }));
  near(two.limits[0]!.step_ms, 45);
  assert.equal(two.limits[0]!.what, "cores of host h");
  assert.ok(two.step_ms >= 45 && two.step_ms < 60, String(two.step_ms));
  near(predict(cluster({ stages, cores: new Map([["h", 1]]) })).step_ms, 90);
  near(predict(cluster({ stages, cores: new Map([["h", 3]]) })).step_ms, 30);
});

Deno.test("cores that are busy with other stages slow a stage down, its own do not", () => {
  const work = stage(0, { contention: 1.5 });
  assert.equal(rateAmong(work, 1, 2), 1);
  near(rateAmong(work, 2, 2), 1 / 1.5);
  // Half of the three other cores is busy.
  near(rateAmong(work, 2.5, 4), 1 / 1.25);
  near(rateAmong(work, 4, 2), 1 / 2 / 1.5);
  const whole = { ...work, cores_used: 2 };
  assert.equal(rateAmong(whole, 2, 2), 1);
  near(rateAmong(whole, 3, 2), 2 / 3 / 1.5);
  assert.equal(rateAmong(work, 8, Infinity), 1);
});

Deno.test("stages on one machine slow each other down while both compute", () => {
  const of = (contention: number, backwards: readonly number[], hosts = 1) =>
    predict(cluster({
      stages: backwards.map((backward_ms, s) =>
        stage(s, { host: `h${s % hosts}`, backward_ms, contention })
      ),
      cores: new Map([["h0", 2], ["h1", 2]]),
    }));
  near(of(1.5, [20, 20]).step_ms, 45);
  near(of(1.5, [20, 20], 2).step_ms, 30);
  near(of(1.5, [20]).step_ms, 30);
  // Beside a short stage the long one is slowed down for part of its time only.
  const uneven = of(1.5, [40, 0]).step_ms;
  assert.ok(uneven > 50 && uneven < 60, String(uneven));
  const cores = (contention: number) =>
    of(contention, [20, 20]).limits.find(({ kind }) => kind === "cores")!.step_ms;
  near(cores(1.5), 1.5 * cores(1));
  near(cores(3), 60);
});

Deno.test("gpipe and 1f1b: even stages take (m + p - 1) forwards and backwards", () => {
  const stages = [0, 1, 2, 3].map((s) => stage(s));
  for (const schedule of ["gpipe", "1f1b"] as const) {
    for (const micro_batches of [1, 4, 8]) {
      const { step_ms, bubble } = predict(cluster({ schedule, stages, micro_batches }));
      near(step_ms, (micro_batches + 3) * 30);
      near(bubble, 3 / (micro_batches + 3));
    }
  }
});

Deno.test("gpipe with uneven stages: the slowest forward and the slowest backward repeat", () => {
  const stages = [stage(0), stage(1, { forward_ms: 30 }), stage(2, { backward_ms: 50 })];
  // The last stage goes from forward to backward at once: its 60 ms repeat, or 30 and then 50.
  const { step_ms } = predict(cluster({ schedule: "gpipe", stages, micro_batches: 6 }));
  assert.ok(step_ms >= 140 + 5 * 60 && step_ms <= 140 + 5 * 80, String(step_ms));
});

Deno.test("zb: gradients of the weights fill the bubbles of 1f1b", () => {
  const stages = [0, 1, 2, 3].map((s) => stage(s, { backward_ms: 20, weights_ms: 10 }));
  const [p, m] = [4, 8];
  const zb = predict(cluster({ schedule: "zb", stages, micro_batches: m }));
  // m (F + B + W) + (p - 1)(F + B - W)
  near(zb.step_ms, m * 30 + (p - 1) * 10);
  near(zb.stages[1]!.weights_ms, 80);
  near(zb.stages[1]!.backward_ms, 80);
});

Deno.test("the parts of a stage add up to the step", () => {
  const stages = [stage(0, { update_ms: 3 }), stage(1, { overhead_ms: 2 })];
  const links = chained(2, { bytes: 5000, latency_ms: 1 });
  for (const schedule of ["async", "gpipe", "1f1b", "zb"] as const) {
    const { step_ms, stages: parts } = predict(
      cluster({ schedule, stages, links, micro_batches: 4 }),
    );
    for (const part of parts) {
      const { forward_ms, backward_ms, weights_ms, update_ms, overhead_ms, waiting_ms } = part;
      near(forward_ms + backward_ms + weights_ms + update_ms + overhead_ms + waiting_ms, step_ms);
    }
  }
});
