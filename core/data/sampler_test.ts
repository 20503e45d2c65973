import assert from "node:assert/strict";
import { Sampler } from "./sampler.ts";

const options = { count: 10, batchSize: 4, seed: 42, shuffle: true };

function epochOf(sampler: Sampler, epoch: number): number[][] {
  return Array.from({ length: sampler.batchesPerEpoch }, (_, i) => [...sampler.batch(epoch, i)]);
}

Deno.test("an epoch visits every sample once, the last batch being smaller", () => {
  const sampler = new Sampler(options);
  const batches = epochOf(sampler, 0);
  assert.deepEqual(batches.map((batch) => batch.length), [4, 4, 2]);
  assert.deepEqual([0, 1, 2].map((batch) => sampler.sizeOf(batch)), [4, 4, 2]);
  assert.deepEqual(batches.flat().sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("the order depends on seed and epoch, not on what was asked before", () => {
  const forwards = new Sampler(options);
  const [zero, one] = [epochOf(forwards, 0), epochOf(forwards, 1)];
  assert.notDeepEqual(zero, one);
  assert.notDeepEqual(zero, epochOf(new Sampler({ ...options, seed: 43 }), 0));
  const resumed = new Sampler(options);
  assert.deepEqual([...resumed.batch(1, 2)], one[2]);
  assert.deepEqual([...resumed.batch(0, 1)], zero[1]);
});

Deno.test("without shuffling the order is that of the file", () => {
  const sampler = new Sampler({ ...options, shuffle: false });
  assert.deepEqual(epochOf(sampler, 5), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]);
});

Deno.test("a sampler refuses what lies outside", () => {
  const sampler = new Sampler(options);
  assert.throws(() => sampler.batch(0, 3), /batches 0 to 2, got 3/);
  assert.throws(() => sampler.batch(-1, 0), /epochs count from 0/);
  assert.throws(() => new Sampler({ ...options, count: 0 }), RangeError);
  assert.throws(() => new Sampler({ ...options, batchSize: 0 }), RangeError);
});
