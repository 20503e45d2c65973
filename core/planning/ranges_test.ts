import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { RangeLoad, RangeTable } from "./ranges.ts";
import { loadOf } from "./testing/brute_force.ts";
import { randomWorkload } from "./testing/random_workload.ts";

Deno.test("every range of random models has the load of the definition", () => {
  const random = new Random(7);
  for (let trial = 0; trial < 150; trial++) {
    const count = 1 + random.integer(9);
    const workload = randomWorkload(random, count);
    const positions = Array.from({ length: count + 1 }, (_, p) => p)
      .filter((p) => p === 0 || p === count || random.integer(4) > 0);
    const table = new RangeTable(workload, positions);
    const load = new RangeLoad();
    for (let from = 0; from < positions.length; from++) {
      for (let to = from + 1; to < positions.length; to++) {
        table.read(from, to, load);
        assert.deepEqual(load, loadOf(workload, positions[from]!, positions[to]!));
      }
    }
  }
});
