import assert from "node:assert/strict";
import { RecentRate } from "./recent_rate.ts";

Deno.test("the rate is the mean over the window, whatever number of events is in it", () => {
  const rate = new RecentRate(1000);
  rate.begin(0);
  assert.equal(rate.add(10, 20), 2);
  for (let t = 11; t < 2000; t++) rate.add(t, 2);
  assert.equal(rate.add(2000, 2), 2);
  for (let t = 2001; t < 4000; t++) rate.add(t, 5);
  assert.equal(rate.add(4000, 5), 5);
});

Deno.test("slow events are told over the last two", () => {
  const rate = new RecentRate(1000);
  rate.begin(0);
  rate.add(5000, 10);
  assert.equal(rate.add(10_000, 30), 30 / 5000);
  rate.begin(0);
  assert.equal(rate.add(0, 7), 0);
});
