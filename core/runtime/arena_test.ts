import assert from "node:assert/strict";
import { Arena, paddedSize } from "./arena.ts";
import { add } from "./kernels/elementwise.ts";
import { addressOf } from "./memory.ts";

Deno.test("allocations are aligned, zeroed, apart and stay valid", () => {
  const arena = new Arena(1000);
  const first = arena.allocate(1);
  first[0] = 1;
  const second = arena.allocate(65);
  const third = arena.allocate(64);
  for (const view of [first, second, third]) assert.equal(addressOf(view) % 64n, 0n);
  assert.deepEqual([second.byteOffset, third.byteOffset], [64, 192]);
  assert.ok(second.every((byte) => byte === 0));
  assert.equal(first[0], 1);
  assert.equal(arena.allocated, 256);
  assert.deepEqual([0, 1, 64, 65].map(paddedSize), [0, 64, 64, 128]);
});

Deno.test("an arena gives out what it was made for, and no more", () => {
  const arena = new Arena(256);
  arena.allocateTogether([64, 1]);
  assert.throws(() => arena.allocate(129), /full: 192 bytes asked for, 128 of 256 left/);
  arena.allocate(128);
  assert.throws(() => arena.allocate(1), /the arena is full/);
});

Deno.test("a large arena is several slabs, and what is allocated together stays together", () => {
  const arena = new Arena(6 * 65536, { slabBytesMax: 2 * 65536 });
  const groups = [1, 2, 3].map(() => arena.allocateTogether([50_000, 50_000]));
  assert.equal(arena.slabs, 3);
  for (const group of groups) {
    assert.equal(new Set(group.map(({ buffer }) => buffer)).size, 1);
    const [target, source] = group.map((view) =>
      new Float32Array(view.buffer, view.byteOffset, view.byteLength / 4)
    );
    source!.fill(2);
    add(target!, source!);
    assert.ok(target!.every((x) => x === 2));
  }
  // Room that the first groups left is used by what is small enough.
  assert.equal(arena.allocate(20_000).buffer, groups[0]![0]!.buffer);
  assert.throws(
    () => new Arena(3 * 65536, { slabBytesMax: 65536 }).allocate(65537),
    /must lie together/,
  );
});

Deno.test("room lost at a slab's end does not count against the arena", () => {
  const arena = new Arena(4 * 50_048, { slabBytesMax: 65536 });
  for (let i = 0; i < 4; i++) arena.allocate(50_000);
  assert.equal(arena.slabs, 4);
});
