import assert from "node:assert/strict";
import { interleave, median, millisecondsOf } from "./interleave.ts";

Deno.test("the median is the middle, or the mean of the two there", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

Deno.test("the ratio is taken round by round, after the warm-up", async () => {
  // A machine that becomes ten times slower leaves the ratio as it is.
  const speeds = [100, 1, 1, 10, 10];
  const order: string[] = [];
  const measure = (name: string, base: number) => {
    let round = 0;
    return () => {
      order.push(name);
      return base * speeds[round++]!;
    };
  };
  const found = await interleave(measure("ours", 1), measure("peer", 2), { rounds: 4, warmup: 1 });
  assert.deepEqual(found, { ratio: 0.5, ours: 5.5, peer: 11 });
  assert.deepEqual(order.slice(0, 4), ["ours", "peer", "peer", "ours"]);
});

Deno.test("repeats are waited for", async () => {
  let runs = 0;
  const run = async () => {
    await Promise.resolve();
    runs++;
  };
  assert.ok(await millisecondsOf(run, 3) >= 0);
  assert.equal(runs, 3);
});
