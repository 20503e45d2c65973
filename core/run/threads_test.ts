import assert from "node:assert/strict";
import { automaticThreads, timingThreads } from "./threads.ts";

Deno.test("a provider has its share of the cores, rounded up, and twice that in turns", () => {
  const threads = (share: number, cores: number) =>
    [false, true].map((takesTurns) => automaticThreads({ share, takesTurns, cores }));
  assert.deepEqual(threads(1, 8), [8, 8]);
  assert.deepEqual(threads(0.34, 2), [1, 2]);
  assert.deepEqual(threads(0.65, 2), [2, 2]);
  assert.deepEqual(threads(0.52, 2), [1, 2]);
  assert.deepEqual(threads(0.01, 2), [1, 1]);
  assert.deepEqual(threads(0.25, 16), [4, 8]);
  assert.deepEqual(threads(0.01, 4), [1, 1]);
});

Deno.test("operators are timed with more than one thread where there is more than one core", () => {
  assert.deepEqual([1, 3, 4, 100].map((here) => timingThreads(here, 2)), [2, 2, 1, 1]);
  assert.equal(timingThreads(4, 16), 8);
});
