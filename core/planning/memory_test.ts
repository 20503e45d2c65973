import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { stageMemory, stageMemoryTotal } from "./memory.ts";
import type { StageLoad } from "./memory.ts";

const load: StageLoad = {
  parameters: 1000,
  buffers: 8,
  inputs: 10,
  stash: 300,
  gradient_stash: 70,
  working: 40,
  received: 10,
  gradients_sent: 10,
  sent: 20,
  gradients_received: 20,
};

Deno.test("the first of three stages with Adam keeps three versions and three stashes", () => {
  const terms = { outstanding: 3, versions: 3, optimizer_slots: 2 };
  assert.deepEqual(stageMemory(load, terms, false), {
    parameters: 1008,
    gradients: 1000,
    optimizer: 2000,
    versions: 2000,
    activations: 3 * 300 + 40,
    buffers: 60,
    averaging: 0,
    total: 1008 + 1000 + 2000 + 2000 + 940 + 60,
  });
  const recomputed = stageMemory(load, terms, true);
  assert.equal(recomputed.activations, 3 * 10 + 300 + 40);
});

Deno.test("where gradients of weights wait, what they read is kept", () => {
  const terms = { outstanding: 3, deferred: 2, versions: 1, optimizer_slots: 0 };
  assert.equal(stageMemory(load, terms, false).activations, 3 * 300 + 2 * 70 + 40);
  assert.equal(stageMemory(load, terms, true).activations, 3 * 10 + 3 * 300 + 2 * 70 + 40);
});

Deno.test("averaging with other clusters takes copies of the parameters", () => {
  const terms = { outstanding: 1, versions: 1, optimizer_slots: 0 };
  const alone = stageMemory(load, terms, false);
  const averaged = stageMemory(load, { ...terms, averaging_copies: 3 }, false);
  assert.equal(averaged.averaging, 3000);
  assert.equal(averaged.total, alone.total + 3000);
});

Deno.test("the last stage with plain SGD keeps one version and one stash", () => {
  const terms = { outstanding: 1, versions: 1, optimizer_slots: 0 };
  const { versions, optimizer, activations } = stageMemory(load, terms, false);
  assert.deepEqual([versions, optimizer, activations], [0, 0, 340]);
});

Deno.test("the quick total is that of the breakdown", () => {
  const random = new Random(4);
  for (let trial = 0; trial < 100; trial++) {
    const some = Object.fromEntries(
      Object.keys(load).map((key) => [key, random.integer(1e6)]),
    ) as Record<keyof StageLoad, number>;
    const terms = {
      outstanding: 1 + random.integer(5),
      deferred: random.integer(3),
      versions: 1 + random.integer(5),
      optimizer_slots: random.integer(3),
      averaging_copies: random.integer(4),
    };
    for (const recompute of [false, true]) {
      const { total, ...parts } = stageMemory(some, terms, recompute);
      assert.equal(total, stageMemoryTotal(some, terms, recompute));
      assert.equal(total, Object.values(parts).reduce((sum, bytes) => sum + bytes, 0));
    }
  }
});
