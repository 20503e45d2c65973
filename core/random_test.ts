import assert from "node:assert/strict";
import { Random, xoshiro128 } from "./random.ts";

Deno.test("xoshiro128** gives the published sequence for the state 1, 2, 3, 4", () => {
  const state = Uint32Array.of(1, 2, 3, 4);
  const drawn = Array.from({ length: 4 }, () => xoshiro128(state));
  assert.deepEqual(drawn, [11520, 0, 5927040, 70819200]);
});

Deno.test("a seed gives the same stream every time, other seeds give others", () => {
  const draw = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 8 }, () => random.next());
  };
  assert.deepEqual(draw(42), draw(42));
  const streams = [0, 1, -1, 42, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER].map(draw);
  assert.equal(new Set(streams.map(String)).size, streams.length);
  assert.throws(() => new Random(0.5), RangeError);
});

Deno.test("the stream of seed 42 stays as it is from version to version", () => {
  const random = new Random(42);
  assert.deepEqual([random.next(), random.next(), random.next()], [
    2837322924,
    544945897,
    479756282,
  ]);
});

Deno.test("uniform has mean 1/2 and variance 1/12 and stays in [0, 1)", () => {
  const random = new Random(1);
  let sum = 0;
  let squares = 0;
  const count = 20_000;
  for (let i = 0; i < count; i++) {
    const u = random.uniform();
    assert.ok(u >= 0 && u < 1);
    sum += u;
    squares += (u - 0.5) ** 2;
  }
  assert.ok(Math.abs(sum / count - 0.5) < 0.01);
  assert.ok(Math.abs(squares / count - 1 / 12) < 0.002);
});

Deno.test("normal has mean 0, variance 1 and the tails of a normal distribution", () => {
  const random = new Random(2);
  const count = 20_000;
  const values = Array.from({ length: count }, () => random.normal());
  const mean = values.reduce((a, b) => a + b) / count;
  const variance = values.reduce((a, b) => a + b * b, 0) / count;
  const beyondTwo = values.filter((v) => Math.abs(v) > 2).length / count;
  assert.ok(Math.abs(mean) < 0.03);
  assert.ok(Math.abs(variance - 1) < 0.04);
  assert.ok(Math.abs(beyondTwo - 0.0455) < 0.006);
});

Deno.test("integer covers its range evenly and refuses an empty one", () => {
  const random = new Random(3);
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 7_000; i++) counts[random.integer(7)]!++;
  for (const count of counts) assert.ok(Math.abs(count - 1000) < 130, `${counts}`);
  assert.equal(random.integer(1), 0);
  for (const below of [0, -1, 1.5, 2 ** 33, NaN]) {
    assert.throws(() => random.integer(below), RangeError);
  }
});

Deno.test("shuffle permutes arrays and typed arrays", () => {
  const order = Uint32Array.from({ length: 100 }, (_, i) => i);
  new Random(4).shuffle(order);
  assert.notDeepEqual([...order], Array.from({ length: 100 }, (_, i) => i));
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i));
  const same = Uint32Array.from({ length: 100 }, (_, i) => i);
  new Random(4).shuffle(same);
  assert.deepEqual(order, same);
  const empty: number[] = [];
  new Random(4).shuffle(empty);
  assert.deepEqual(empty, []);
});

Deno.test("a fork depends on seed and labels, not on what was drawn before", () => {
  const early = new Random(5).fork("epoch").fork(3);
  const drained = new Random(5);
  for (let i = 0; i < 10; i++) drained.normal();
  assert.equal(drained.fork("epoch").fork(3).next(), early.next());
  const root = new Random(5);
  const firsts = ["a", "b", "ab", "ba", "", 1, "1", "#1", 2].map((label) =>
    root.fork(label).next()
  );
  assert.equal(new Set([...firsts, new Random(6).fork("a").next()]).size, firsts.length + 1);
});
