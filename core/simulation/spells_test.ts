import assert from "node:assert/strict";
import { finishTime, nextChange, slownessAt } from "./spells.ts";

const spells = [
  { begin_ms: 10, end_ms: 20, factor: 4 },
  { begin_ms: 15, end_ms: 30, factor: 2 },
];

Deno.test("spells multiply where they overlap", () => {
  assert.deepEqual([0, 10, 15, 20, 30].map((time) => slownessAt(spells, time)), [1, 4, 8, 2, 1]);
  assert.deepEqual([0, 10, 15, 25, 30].map((time) => nextChange(spells, time)), [
    10,
    15,
    20,
    30,
    Infinity,
  ]);
});

Deno.test("work takes longer while a spell lasts, and no longer than that", () => {
  assert.equal(finishTime([], 3, 4), 7);
  assert.equal(finishTime(spells, 0, 10), 10);
  // 10 ms of work until 10, 5/4 until 15, 5/8 until 20, 5 until 30, the rest at full speed.
  assert.equal(finishTime(spells, 0, 20), 30 + 20 - 10 - 5 / 4 - 5 / 8 - 5);
  assert.equal(finishTime(spells, 16, 1), 20 + 2 * (1 - 4 / 8));
});

Deno.test("what stands still goes on afterwards, or never", () => {
  const still = { begin_ms: 5, end_ms: 9, factor: Infinity };
  assert.equal(finishTime([still], 0, 5), 5);
  assert.equal(finishTime([still], 0, 6), 10);
  assert.equal(finishTime([still], 6, 0), 6);
  assert.equal(finishTime([{ ...still, end_ms: Infinity }], 0, 6), Infinity);
});
