import assert from "node:assert/strict";
import type { StageWork } from "./predict.ts";
import { withThreads } from "./stage_threads.ts";

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

Deno.test("with other threads what they share changes, and processor time stays", () => {
  for (const shared_ms of [0, 4, 10]) {
    for (const [from, to] of [[2, 1], [4, 2], [2, 8]] as const) {
      const got = withThreads(timed(from, shared_ms), from, to);
      const expected = timed(to, shared_ms);
      for (const part of ["forward_ms", "backward_ms", "cores_used", "update_ms"] as const) {
        assert.ok(Math.abs(got[part] - expected[part]) < 1e-9, `${part} ${got[part]}`);
      }
    }
  }
});

Deno.test("one thread says nothing of more, and noise makes no work vanish", () => {
  const one = timed(1, 5);
  assert.equal(withThreads(one, 1, 4), one);
  const noisy = { ...timed(2, 0), cores_used: 0.9 };
  assert.equal(withThreads(noisy, 2, 1).forward_ms, noisy.forward_ms);
  const busy = { ...timed(2, 10), cores_used: 2.2 };
  assert.equal(withThreads(busy, 2, 1).forward_ms, 2 * busy.forward_ms);
});
