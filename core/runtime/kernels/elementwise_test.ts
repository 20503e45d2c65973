import assert from "node:assert/strict";
import { Arena, floatsOf } from "../arena.ts";
import { add, anyNotFinite, blend, clamp, lerp, scale, sumOfSquares } from "./elementwise.ts";

const LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 31, 100];

function pair(length: number): [Float32Array, Float32Array] {
  const [a, b] = new Arena(length * 8 + 128).allocateTogether([length * 4, length * 4]);
  const target = floatsOf(a!);
  const source = floatsOf(b!);
  for (let i = 0; i < length; i++) {
    target[i] = Math.sin(i);
    source[i] = Math.cos(3 * i);
  }
  return [target, source];
}

Deno.test("add, scale and blend agree with single precision, for every tail", () => {
  const f = Math.fround;
  for (const length of LENGTHS) {
    const [target, source] = pair(length);
    const added = [...target].map((x, i) => f(x + source[i]!));
    add(target, source);
    assert.deepEqual([...target], added);
    const scaled = added.map((x) => f(x * f(0.3)));
    scale(target, 0.3);
    assert.deepEqual([...target], scaled);
    const blended = scaled.map((x, i) => f(f(x * f(0.9)) + f(source[i]! * f(-2))));
    blend(target, source, 0.9, -2);
    assert.deepEqual([...target], blended);
  }
});

Deno.test("clamp limits every element, for every tail, and lets NaN through", () => {
  for (const length of LENGTHS.filter((length) => length > 0)) {
    const [target] = pair(length);
    const limited = [...target].map((x) => Math.min(Math.max(x, -0.5), 0.5));
    clamp(target, 0.5);
    assert.deepEqual([...target], limited);
    target[length - 1] = NaN;
    target[0] = length === 1 ? NaN : -Infinity;
    clamp(target, 0.25);
    assert.ok(Number.isNaN(target[length - 1]));
    if (length > 1) assert.equal(target[0], -0.25);
  }
});

Deno.test("lerp moves a running statistic towards the batch's, unbiased", () => {
  const [running, batch] = pair(5);
  const expected = [...running].map((x, i) => 0.9 * x + 0.1 * batch[i]! * 4 / 3);
  lerp(running, batch, 0.1, 4 / 3);
  running.forEach((x, i) => assert.ok(Math.abs(x - expected[i]!) < 1e-7));
});

Deno.test("the sum of squares is a double's, for every tail", () => {
  for (const length of LENGTHS) {
    const [array] = pair(length);
    const exact = array.reduce((sum, x) => sum + x * x, 0);
    assert.ok(Math.abs(sumOfSquares(array) - exact) <= 1e-12 * exact, `length ${length}`);
  }
  const [large] = pair(4);
  large.fill(3e38);
  assert.equal(sumOfSquares(large), 4 * Math.fround(3e38) ** 2);
});

Deno.test("one infinity or NaN is found wherever it lies", () => {
  for (const length of LENGTHS) {
    for (let i = 0; i < length; i++) {
      const [array] = pair(length);
      assert.equal(anyNotFinite(array), false);
      for (const bad of [NaN, Infinity, -Infinity]) {
        array[i] = bad;
        assert.equal(anyNotFinite(array), true, `${bad} at ${i} of ${length}`);
      }
      array[i] = 3.4e38;
      assert.equal(anyNotFinite(array), false);
    }
  }
});
