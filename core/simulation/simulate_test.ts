import assert from "node:assert/strict";
import { SCHEDULES } from "../pipeline/mod.ts";
import type { ClusterWork } from "../planning/mod.ts";
import { simulate } from "./simulate.ts";
import type { SimulationInput } from "./input.ts";
import { bothWays, chain, inputOf, shapeOf, stageWork } from "./testing/random_run.ts";

/** Predicted and simulated times may differ by this part: queues form, and pipelines fill. */
const TOLERANCE = 0.03;

/** One cluster, 40 updates, nothing left to chance. */
function alone(work: ClusterWork, changes: Partial<SimulationInput> = {}): SimulationInput {
  return inputOf([work], shapeOf(work, 40), changes);
}

function three(changes: Partial<ReturnType<typeof stageWork>> = {}) {
  return ["a", "b", "c"].map((node) => stageWork(node, changes));
}

Deno.test("a step takes as long as predicted", () => {
  const slowLink = { bytes: 250_000, bandwidth_mbps: 100, latency_ms: 2 };
  for (const schedule of SCHEDULES) {
    const cases: Record<string, ClusterWork> = {
      "one stage": chain([stageWork("a", { update_ms: 3 })], { schedule }),
      "equal stages": chain(three(), { schedule }),
      "a slow leaf": chain([...three().slice(1), stageWork("d", { forward_ms: 30 })], { schedule }),
      "a slow root": chain([stageWork("d", { backward_ms: 60 }), ...three()], { schedule }),
      overheads: chain(three({ overhead_ms: 5, update_ms: 4 }), { schedule }),
      "a link that counts": chain(three(), { schedule }, slowLink),
      "one in flight": chain(three(), { schedule, in_flight: 1 }),
      "shared cores": chain(three({ host: "one" }), { schedule, cores: new Map([["one", 2]]) }),
    };
    for (const [name, work] of Object.entries(cases)) {
      const { step_ms, predicted_ms } = simulate(alone(work)).clusters[0]!;
      const off = step_ms / predicted_ms - 1;
      assert.ok(
        Math.abs(off) <= TOLERANCE,
        `${schedule}, ${name}: ${step_ms} ms, predicted are ${predicted_ms} ms`,
      );
    }
  }
});

Deno.test("the bubble of 1f1b is (p − 1) / (m + p − 1), and zb has a smaller one", () => {
  const bubble = (schedule: "1f1b" | "zb") => simulate(alone(chain(three(), { schedule }))).bubble;
  assert.ok(Math.abs(bubble("1f1b") - 2 / 10) < 0.005);
  assert.ok(bubble("zb") < bubble("1f1b") - 0.05);
});

Deno.test("more in flight than stages hides the time that every link takes", () => {
  const stages = [...three(), stageWork("d")];
  const updates = (in_flight: number) => {
    const work = chain(stages, { schedule: "async", in_flight }, { latency_ms: 50 });
    const { wall_ms } = simulate(inputOf([work], shapeOf(work, 200)));
    return 200 / wall_ms;
  };
  assert.ok(updates(16) > 2.5 * updates(4), `${updates(16)} and ${updates(4)} updates a ms`);
});

Deno.test("time is either computed or waited away, for one cause or another", () => {
  const input = alone(chain(three(), { schedule: "async" }), { noise: 0.3, seed: 7 });
  for (const { busy_ms, waits_ms, bubble } of simulate(input).stages) {
    const { wall_ms } = simulate(input);
    const sum = Object.values(waits_ms).reduce((a, b) => a + b, busy_ms);
    assert.ok(Math.abs(sum - wall_ms) < 1e-6 * wall_ms);
    assert.ok(Math.abs(bubble - (1 - busy_ms / wall_ms)) < 1e-9);
  }
});

Deno.test("an average takes the time that its bytes take", () => {
  const works = ["ab", "cd", "ef"].map((names) =>
    chain([...names].map((node) => stageWork(node)), { schedule: "async" })
  );
  const elements = 12_000_000;
  const input = inputOf(works, shapeOf(works[0]!, 4, { reduce_every: 0 }), {
    wayBetween: () => ({ bandwidth_mbps: 400, latency_ms: 0 }),
  });
  const clusters = input.clusters.map((cluster) => ({
    ...cluster,
    elements: [elements, elements],
  }));
  const { averaging, links } = simulate({ ...input, clusters });
  // 2 (n − 1) / n of a node's bytes over each link; to add and the last piece come on top.
  const bytes = 2 * 2 / 3 * elements * 4;
  const link_ms = bytes * 8 / (400 * 1000);
  assert.equal(averaging?.rounds, 1);
  assert.ok(averaging!.mean_ms > link_ms && averaging!.mean_ms < 1.15 * link_ms);
  assert.ok(Math.abs(averaging!.bytes - 6 * bytes) < 100);
  for (const { from, to, kinds } of links) {
    if (from === "a" && to === "c") assert.ok(Math.abs((kinds.reduce ?? 0) - bytes / 2) < 50);
  }
});

Deno.test("what is averaged without waiting costs less time", () => {
  const works = ["ab", "cd"].map((names) =>
    chain([...names].map((node) => stageWork(node)), { schedule: "async" })
  );
  const wall = (reduce_delay: number) => {
    const shape = shapeOf(works[0]!, 60, { reduce_every: 10, reduce_delay });
    const input = inputOf(works, shape, {
      wayBetween: () => ({ bandwidth_mbps: 50, latency_ms: 1 }),
    });
    const clusters = input.clusters.map((cluster) => ({ ...cluster, elements: [3e5, 3e5] }));
    return simulate({ ...input, clusters }).wall_ms;
  };
  assert.ok(wall(8) < 0.8 * wall(0));
});

Deno.test("one connection is shared by all links of a node", () => {
  const work = (changes: object) => {
    const bytes = 1_000_000;
    const link = { bandwidth_mbps: 100, latency_ms: 0 };
    const links = [
      ...bothWays({ from: 0, to: 1, bytes, ...link }),
      ...bothWays({ from: 0, to: 2, bytes, ...link }),
      ...bothWays({ from: 1, to: 2, bytes: 0, ...link }),
    ];
    return { ...chain(three(changes), { schedule: "async" }), links };
  };
  const step = (changes: object) => simulate(alone(work(changes))).clusters[0]!.step_ms;
  // On links of their own two micro-batches need 2 · (80 + 30) ms for the way between two stages.
  assert.ok(Math.abs(step({}) - 110) < 2);
  // On one connection 80 ms for each of the two links.
  assert.ok(Math.abs(step({ connection_mbps: 100 }) - 160) < 2);
  // Within a machine no connection is in the way.
  assert.ok(Math.abs(step({ connection_mbps: 100, host: "one" }) - 110) < 2);
});

Deno.test("a slow node slows the pipeline, for as long as it is slow", () => {
  const step = (begin_ms: number, end_ms: number) =>
    simulate(alone(chain(three(), { schedule: "async" }), {
      faults: [{ type: "slow", node: "b", begin_ms, end_ms, factor: 4 }],
    }));
  assert.ok(Math.abs(step(0, Infinity).clusters[0]!.step_ms - 120) < 2);
  const [never, once] = [step(1e9, Infinity).wall_ms, step(300, 420).wall_ms];
  assert.ok(Math.abs(once - never - 90) < 10, "of 120 ms three quarters are lost");
});

Deno.test("a link that carries nothing for a while delays the run, and does not end it", () => {
  const run = (begin_ms: number, end_ms: number) =>
    simulate(alone(chain(three(), { schedule: "async" }), {
      faults: [{ type: "link", nodes: ["c", "b"], begin_ms, end_ms, factor: Infinity }],
    }));
  const [whole, delayed] = [run(1e9, 2e9), run(400, 1000)];
  assert.equal(delayed.loss, undefined);
  assert.ok(delayed.wall_ms > whole.wall_ms + 500 && delayed.wall_ms < whole.wall_ms + 650);
  assert.deepEqual(delayed.staleness, whole.staleness);
});

Deno.test("a killed node ends the run: a peer names it within five seconds", () => {
  const works = ["abc", "de"].map((names) =>
    chain([...names].map((node) => stageWork(node)), { schedule: "async" }, { latency_ms: 5 })
  );
  const { loss, updates } = simulate(
    inputOf(works, shapeOf(works[0]!, 200, { reduce_every: 20 }), {
      faults: [{ type: "kill", node: "b", at_ms: 1000 }],
    }),
  );
  assert.equal(loss?.node, "b");
  assert.equal(loss?.address, "b.test:8080");
  assert.match(loss!.noticed_by, /^[acde]$/);
  assert.match(
    loss!.expected,
    /^(forward|backward) \d+ from stage \d$|^the average of the weights/,
  );
  assert.ok(loss!.at_ms > 1000 && loss!.at_ms <= 6000);
  assert.ok(loss!.ended_ms >= loss!.at_ms && loss!.ended_ms < loss!.at_ms + 50);
  assert.ok(updates < 200);
});

Deno.test("a link that is silent for too long ends the run on both sides", () => {
  const { loss } = simulate(alone(chain(three(), { schedule: "1f1b" }), {
    faults: [{ type: "link", nodes: ["a", "b"], begin_ms: 500, end_ms: 9000, factor: Infinity }],
  }));
  assert.deepEqual([loss?.noticed_by, loss?.node, loss?.at_ms], ["a", "b", 4500]);
});

Deno.test("who has done all is not lost any more", () => {
  const work = chain(three(), { schedule: "async" });
  const faults = [{ type: "kill", node: "c", at_ms: 1e6 }] as const;
  assert.deepEqual(simulate(alone(work, { faults })), {
    ...simulate(alone(work)),
    events: simulate(alone(work)).events + 1,
  });
});
