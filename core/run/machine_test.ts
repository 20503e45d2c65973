import assert from "node:assert/strict";
import { poolOf } from "../planning/testing/plan_inputs.ts";
import { coresIn, freeMemory, limitIn, usableCores, withCores } from "./machine.ts";

Deno.test("limits of control groups", () => {
  assert.equal(coresIn("150000 100000\n"), 1.5);
  assert.equal(coresIn("max 100000\n"), Infinity);
  assert.equal(coresIn(undefined), Infinity);
  assert.equal(coresIn("nonsense"), Infinity);
  assert.equal(limitIn("max\n"), Infinity);
  assert.equal(limitIn("2147483648\n"), 2 ** 31);
  assert.equal(limitIn(undefined), undefined);
  assert.equal(limitIn(""), undefined);
});

Deno.test("this machine has cores and memory, not more than the system says", () => {
  assert.ok(usableCores() > 0 && usableCores() <= navigator.hardwareConcurrency);
  assert.ok(freeMemory() > 0 && freeMemory() <= Deno.systemMemoryInfo().total / 2 ** 20);
});

Deno.test("nodes of this machine get its cores unless they were probed", () => {
  const [local, probed, far] = poolOf([{ ip: "127.0.0.1:1" }, { ip: "127.0.0.1:2" }, {}]);
  const nodes = withCores([local!, { ...probed!, probe: { cores: 7 } }, far!]);
  assert.deepEqual(nodes.map(({ probe }) => probe?.cores), [usableCores(), 7, undefined]);
});
