import assert from "node:assert/strict";
import type { StageWork } from "./predict.ts";
import { hostShares, withThreads } from "./stage_threads.ts";

/** A stage of 10 ms on one thread, of which so much is shared by the threads. */
function timed(threads: number, shared_ms: number): StageWork {
  const time_ms = 10 - shared_ms + shared_ms / threads;
  return {
    node: "node",
    host: "h",
    forward_ms: 0.25 * time_ms,
    backward_ms: 0.75 * time_ms,
    weights_ms: 0,
    update_ms: 1,
    overhead_ms: 1,
    cores_used: 10 / time_ms,
    memory_bytes: 0,
    ram_bytes: 0,
  };
}

/** Time of a stage's step on one thread over that on so many. */
function oneThread(threads: number, shared_ms: number): number {
  return 10 / (10 - shared_ms + shared_ms / threads);
}

Deno.test("with other threads what they share changes, and processor time stays", () => {
  for (const shared_ms of [0, 4, 10]) {
    for (const [from, to] of [[2, 1], [4, 2], [2, 8]] as const) {
      const expected = timed(to, shared_ms);
      for (const one_thread of [oneThread(from, shared_ms), undefined]) {
        const got = withThreads(timed(from, shared_ms), { timed: from, threads: to, one_thread });
        for (const part of ["forward_ms", "backward_ms", "cores_used", "update_ms"] as const) {
          assert.ok(Math.abs(got[part] - expected[part]) < 1e-9, `${part} ${got[part]}`);
        }
      }
    }
  }
});

Deno.test("threads that wait for each other cost processor time, which one thread does not", () => {
  // Two threads take 0.6 of the time of one, and keep 1.9 cores busy.
  const work = { ...timed(2, 0), cores_used: 1.9 };
  const got = withThreads(work, { timed: 2, threads: 1, one_thread: 1 / 0.6 });
  assert.ok(Math.abs(got.forward_ms - work.forward_ms / 0.6) < 1e-9);
  assert.ok(Math.abs(got.cores_used - 1) < 1e-9);
});

Deno.test("one thread says nothing of more, and noise makes no work vanish", () => {
  const one = timed(1, 5);
  assert.equal(withThreads(one, { timed: 1, threads: 4 }), one);
  const noisy = { ...timed(2, 0), cores_used: 0.9 };
  assert.equal(withThreads(noisy, { timed: 2, threads: 1 }).forward_ms, noisy.forward_ms);
  const busy = { ...timed(2, 10), cores_used: 2.2 };
  assert.equal(withThreads(busy, { timed: 2, threads: 1 }).forward_ms, 2 * busy.forward_ms);
});

/** A stage that takes three times as long as its forward pass. */
function stageOn(host: string, node: number, forward_ms: number) {
  const predicted = { forward_ms, backward_ms: 2 * forward_ms, update_ms: 0, traffic_ms: 0 };
  return { node, address: `${host}:${8000 + node}`, predicted };
}

Deno.test("a stage's share of its host is of what all clusters do there", () => {
  const shares = hostShares([
    { stages: [stageOn("a", 0, 4), stageOn("a", 1, 2), stageOn("b", 2, 1)] },
    { stages: [stageOn("a", 3, 50), stageOn("c", 4, 0)] },
  ]);
  assert.deepEqual([...shares], [[0, 0.4], [1, 0.2], [2, 1], [3, 0.4], [4, 1]]);
});

Deno.test("stages of which nothing is known share alike", () => {
  const stages = [0, 1].map((node) => stageOn("127.0.0.1", node, 0));
  assert.deepEqual([...hostShares([{ stages }]).values()], [0.5, 0.5]);
});
