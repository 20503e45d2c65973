import assert from "node:assert/strict";
import { batchTime } from "./throughput.ts";

const cluster = (time_ms: number, parameters_ms = 0) => ({ lack_mb: 0, time_ms, parameters_ms });

Deno.test("clusters that average go at the pace of the slowest", () => {
  assert.equal(batchTime([cluster(10), cluster(40)], {}), 20);
  assert.equal(batchTime([cluster(10)], {}), 10);
});

Deno.test("clusters that never average each train what they can", () => {
  assert.equal(batchTime([cluster(10), cluster(40)], { reduce_every: "never" }), 8);
});

Deno.test("averaging sends 2 (n - 1) / n of the parameters every so many batches", () => {
  const clusters = [cluster(10, 80), cluster(20, 40)];
  assert.equal(batchTime(clusters, { reduce_every: 10 }), (20 + 4) / 2);
  assert.equal(batchTime(clusters, { reduce_every: 5, update_frequency: 2 }), (20 + 4) / 2);
  // beside the training it costs nothing, unless it takes longer
  assert.equal(batchTime(clusters, { reduce_every: 10, reduce_delay: 1 }), 10);
  // Each cluster has 10 batches of 8 of an epoch.
  assert.equal(batchTime(clusters, { samples: 160, batch_size: 8 }), (20 + 4) / 2);
  assert.equal(batchTime(clusters, { reduce_every: "epoch" }), 10);
  assert.equal(batchTime(clusters, { reduce_every: 1, reduce_delay: 1 }), 40);
});
