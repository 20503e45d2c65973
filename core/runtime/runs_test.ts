import assert from "node:assert/strict";
import { cancelRuns, Lock, noted } from "./runs.ts";

Deno.test("a lock lets one in at a time, in order, also after a failure", async () => {
  const lock = new Lock();
  const events: string[] = [];
  const work = (name: string, fails = false) => async () => {
    events.push(`${name} in`);
    await Promise.resolve();
    await Promise.resolve();
    events.push(`${name} out`);
    if (fails) throw new Error(name);
  };
  assert.equal(lock.held, false);
  const a = lock.hold(work("a", true));
  const b = lock.hold(work("b"));
  assert.equal(lock.held, true);
  await assert.rejects(a, /a/);
  await b;
  assert.deepEqual(events, ["a in", "a out", "b in", "b out"]);
  assert.equal(lock.held, false);
});

Deno.test("cancelling stops what is under way and waits for it, and nothing else", async () => {
  const cancelled: string[] = [];
  const done = noted(Promise.resolve("done"), () => cancelled.push("done"));
  await done;
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = noted(promise, () => {
    cancelled.push("run");
    resolve();
  });
  await cancelRuns();
  await run;
  assert.deepEqual(cancelled, ["run"]);
});
