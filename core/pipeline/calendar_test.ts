import assert from "node:assert/strict";
import { Calendar } from "./calendar.ts";
import type { RunShape } from "./calendar.ts";

function shape(changes: Partial<RunShape> = {}): RunShape {
  return {
    epochs: 2,
    samples: 10,
    batch_size: 4,
    micro_batches: 1,
    update_frequency: 1,
    validation_samples: 5,
    validation_every: 0,
    ...changes,
  };
}

Deno.test("a partial last batch counts as a batch", () => {
  const calendar = new Calendar(shape());
  assert.equal(calendar.batchesPerEpoch, 3);
  assert.equal(calendar.microBatches, 6);
  assert.equal(calendar.updates, 6);
  assert.equal(calendar.validationBatches, 2);
  const sizes = Array.from({ length: 6 }, (_, m) => calendar.place(m).samples);
  assert.deepEqual(sizes, [4, 4, 2, 4, 4, 2]);
  assert.deepEqual([calendar.place(2).start, calendar.place(5).start], [8, 8]);
});

Deno.test("micro-batches cover each epoch once, and the scales of an update sum to 1", () => {
  for (const micro_batches of [1, 2, 3, 4, 7]) {
    for (const update_frequency of [1, 2, 4]) {
      for (const samples of [1, 5, 10, 16, 17]) {
        const calendar = new Calendar(shape({ micro_batches, update_frequency, samples }));
        const scales = new Map<number, number>();
        const next = [0, 0];
        let closed = 0;
        for (let m = 0; m < calendar.microBatches; m++) {
          const place = calendar.place(m);
          assert.equal(place.start, next[place.epoch]);
          next[place.epoch]! += place.samples;
          assert.equal(place.update, closed);
          scales.set(place.update, (scales.get(place.update) ?? 0) + place.scale);
          if (place.closesUpdate) closed++;
        }
        assert.deepEqual(next, [samples, samples]);
        assert.equal(closed, calendar.updates);
        for (const sum of scales.values()) assert.ok(Math.abs(sum - 1) < 1e-12, `${sum}`);
      }
    }
  }
});

Deno.test("a validation follows each epoch, and one the whole run", () => {
  assert.deepEqual(new Calendar(shape()).validations, [3, 6, 6]);
  assert.deepEqual(new Calendar(shape({ update_frequency: 2 })).validations, [1, 3, 3]);
  assert.deepEqual(new Calendar(shape({ update_frequency: 4 })).validations, [2, 2]);
  assert.deepEqual(new Calendar(shape({ validation_every: 4 })).validations, [4, 6]);
  assert.deepEqual(new Calendar(shape({ validation_samples: 0 })).validations, []);
});

Deno.test("clusters average after each epoch or every n updates, and once at the end", () => {
  const reductions = (changes: Partial<RunShape>) => {
    const calendar = new Calendar(shape(changes));
    const versions = Array.from({ length: calendar.updates }, (_, i) => i + 1);
    return versions.filter((version) => calendar.reduces(version));
  };
  assert.deepEqual(reductions({}), []);
  assert.deepEqual(reductions({ reduce_every: 0 }), [3, 6]);
  assert.deepEqual(reductions({ reduce_every: 0, update_frequency: 2 }), [1, 3]);
  assert.deepEqual(reductions({ reduce_every: 0, update_frequency: 4 }), [2]);
  assert.deepEqual(reductions({ reduce_every: 4 }), [4, 6]);
  assert.deepEqual(reductions({ reduce_every: 2 }), [2, 4, 6]);
  assert.deepEqual(reductions({ reduce_every: 100, max_updates: 4 }), [4]);
  const calendar = new Calendar(shape({ reduce_every: 4 }));
  assert.deepEqual([3, 4, 6].map((version) => calendar.isBarrier(version)), [false, true, true]);
});

Deno.test("averages are taken over later, but before the next one, and the last at once", () => {
  const adopted = (reduce_every: number, reduce_delay: number) => {
    const calendar = new Calendar(shape({ epochs: 4, reduce_every, reduce_delay }));
    return Array.from({ length: calendar.updates }, (_, i) => calendar.adopts(i + 1) ?? 0);
  };
  assert.deepEqual(adopted(3, 0), [0, 0, 3, 0, 0, 6, 0, 0, 9, 0, 0, 12]);
  assert.deepEqual(adopted(3, 1), [0, 0, 0, 3, 0, 0, 6, 0, 0, 9, 0, 12]);
  assert.deepEqual(adopted(3, 2), [0, 0, 0, 0, 3, 0, 0, 6, 0, 0, 9, 12]);
  assert.deepEqual(adopted(3, 3), [0, 0, 0, 0, 0, 3, 0, 0, 6, 0, 0, 12]);
  assert.deepEqual(adopted(2, 5), [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 6, 12]);
});

Deno.test("a run may end within an epoch", () => {
  for (const micro_batches of [1, 3]) {
    const calendar = new Calendar(shape({ max_updates: 4, micro_batches }));
    assert.deepEqual([calendar.updates, calendar.batches], [4, 4]);
    assert.equal(calendar.epochs, 4 / 3);
    const last = calendar.place(calendar.microBatches - 1);
    assert.deepEqual([last.epoch, last.batch, last.closesUpdate], [1, 0, true]);
    assert.equal(calendar.place(calendar.microBatches).batch, 1);
    assert.deepEqual(calendar.validations, [3, 4, 4]);
  }
  const gathered = new Calendar(shape({ max_updates: 2, update_frequency: 2 }));
  assert.deepEqual([gathered.batches, gathered.updates], [4, 2]);
  const longer = new Calendar(shape({ max_updates: 7 }));
  assert.deepEqual([longer.updates, longer.epochs], [6, 2]);
});

Deno.test("a shape that is no shape is refused", () => {
  assert.throws(() => new Calendar(shape({ samples: 0 })), /samples must be a whole number/);
});
