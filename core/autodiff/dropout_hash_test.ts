import assert from "node:assert/strict";
import { dropoutHash, dropoutKeeps, dropoutKey, dropoutSalt } from "./dropout_hash.ts";

type Point = [index: number, step: number, seed: number, salt: number];

const hashOf = ([index, step, seed, salt]: Readonly<Point>) =>
  dropoutHash(dropoutKey(seed, step, salt), index);

Deno.test("the hash is pinned: other implementations compare with these values", () => {
  const key = dropoutKey(42, 7, dropoutSalt("dropout_1"));
  assert.deepEqual(key, { first: 597020329, second: 3546168046 });
  assert.deepEqual(
    [0, 1, 2, 3, 0xffffffff].map((index) => dropoutHash(key, index)),
    [1207550163, 3216241231, 3523613686, 987732938, 835109669],
  );
});

Deno.test("the share of dropped elements is the ratio", () => {
  const salt = dropoutSalt("dropout");
  const n = 1 << 15;
  for (const ratio of [0.1, 0.25, 0.5, 0.9]) {
    for (let step = 0; step < 4; step++) {
      let dropped = 0;
      for (let i = 0; i < n; i++) if (!dropoutKeeps(1, step, salt, i, ratio)) dropped++;
      const deviation = Math.sqrt(ratio * (1 - ratio) / n);
      assert.ok(Math.abs(dropped / n - ratio) < 4 * deviation, `${ratio}, ${step}: ${dropped / n}`);
    }
  }
});

Deno.test("a bit of index, step, seed or salt flips each bit of the hash half of the time", () => {
  const trials = 1000;
  for (const which of [0, 1, 2, 3] as const) {
    for (let bit = 0; bit < 32; bit++) {
      const flips = new Array<number>(32).fill(0);
      for (let trial = 0; trial < trials; trial++) {
        const point: Point = [trial * 7, trial, 42, 0xdeadbeef];
        const other: Point = [...point];
        other[which] = (other[which] ^ (1 << bit)) >>> 0;
        const difference = hashOf(point) ^ hashOf(other);
        for (let b = 0; b < 32; b++) flips[b] = flips[b]! + ((difference >>> b) & 1);
      }
      const worst = Math.max(...flips.map((count) => Math.abs(count / trials - 0.5)));
      assert.ok(worst < 0.08, `argument ${which}, bit ${bit}: off by ${worst}`);
    }
  }
});

Deno.test("masks of successive steps are independent, shifted or not", () => {
  const salt = dropoutSalt("dropout");
  const n = 1 << 14;
  const mask = (step: number) =>
    Array.from({ length: n }, (_, i) => dropoutKeeps(3, step, salt, i, 0.5) ? 1 : -1);
  const [a, b] = [mask(0), mask(1)];
  for (const shift of [0, 1, 2, 3, 4, 8, 16, 64]) {
    let sum = 0;
    for (let i = shift; i < n; i++) sum += a[i]! * b[i - shift]!;
    assert.ok(Math.abs(sum) < 4.5 * Math.sqrt(n), `correlation at shift ${shift}: ${sum / n}`);
    let own = 0;
    for (let i = shift; i < n; i++) own += a[i]! * a[i - shift]!;
    assert.ok(shift === 0 || Math.abs(own) < 4.5 * Math.sqrt(n), `shift ${shift}: ${own / n}`);
  }
});
