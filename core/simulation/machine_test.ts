import assert from "node:assert/strict";
import { EventQueue } from "./event_queue.ts";
import { Machine } from "./machine.ts";
import type { Spell } from "./spells.ts";

/** When tasks of one machine are done: [begin, work, cores, spells]. */
function ends(
  cores: number,
  tasks: readonly (readonly [begin: number, work: number, cores: number, ...Spell[]])[],
): number[] {
  const queue = new EventQueue();
  const machine = new Machine(queue, cores);
  const found = new Array<number>(tasks.length);
  tasks.forEach(([begin_ms, work_ms, cores, ...spells], i) => {
    const done = () => {
      found[i] = Math.round(queue.now_ms * 1e6) / 1e6;
    };
    queue.at(begin_ms, () => machine.run({ work_ms, cores, spells, done }));
  });
  queue.run();
  return found;
}

Deno.test("tasks do not disturb each other where there are cores enough", () => {
  assert.deepEqual(ends(3, [[0, 10, 1], [5, 10, 2]]), [10, 15]);
  assert.deepEqual(ends(Infinity, [[0, 10, 64], [0, 20, 64]]), [10, 20]);
});

Deno.test("tasks share the cores that there are", () => {
  assert.deepEqual(ends(1, [[0, 10, 1], [0, 10, 1]]), [20, 20]);
  // Alone until 4, at half its speed until both have done 6 ms more, then the other one alone.
  assert.deepEqual(ends(1, [[0, 10, 1], [4, 10, 1]]), [16, 20]);
  assert.deepEqual(ends(2, [[0, 10, 1.5], [0, 10, 1.5]]), [15, 15]);
});

Deno.test("a slow node takes longer, also on a shared machine", () => {
  const slow = { begin_ms: 5, end_ms: 15, factor: 5 };
  assert.deepEqual(ends(1, [[0, 10, 1, slow]]), [18]);
  assert.deepEqual(ends(2, [[0, 10, 1, slow], [0, 10, 1]]), [18, 10]);
});

Deno.test("work of no length is done at once", () => {
  assert.deepEqual(ends(1, [[3, 0, 1], [3, 2, 1]]), [3, 5]);
});
