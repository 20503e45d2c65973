import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { EventQueue } from "./event_queue.ts";

Deno.test("events happen by time, and those of one time in the order in which they came", () => {
  const random = new Random(1);
  for (let round = 0; round < 50; round++) {
    const queue = new EventQueue();
    const expected: (readonly [time: number, order: number])[] = [];
    const happened: (readonly [time: number, order: number])[] = [];
    for (let order = 0; order < 60; order++) {
      const time = random.integer(20);
      expected.push([time, order]);
      queue.at(time, () => {
        assert.equal(queue.now_ms, time);
        happened.push([time, order]);
      });
    }
    queue.run();
    assert.deepEqual(happened, expected.sort(([a, i], [b, j]) => a - b || i - j));
  }
});

Deno.test("what an event puts in happens too", () => {
  const queue = new EventQueue();
  const times: number[] = [];
  const again = () => {
    times.push(queue.now_ms);
    if (times.length < 4) queue.after(2.5, again);
  };
  queue.at(1, again);
  queue.run();
  assert.deepEqual(times, [1, 3.5, 6, 8.5]);
  assert.equal(queue.count, 4);
});

Deno.test("nothing happens in the past, or never", () => {
  const queue = new EventQueue();
  queue.at(5, () => {
    assert.throws(() => queue.at(4, () => {}), RangeError);
    assert.throws(() => queue.at(Infinity, () => {}), RangeError);
    assert.throws(() => queue.at(NaN, () => {}), RangeError);
  });
  queue.run();
});
