import assert from "node:assert/strict";
import type { TensorInfo } from "./message.ts";
import { cutIntoFrames } from "./pieces.ts";

const bytes = (length: number): TensorInfo => ({ name: "x", dtype: "uint8", dims: [length] });

/** The lengths of the pieces, frame by frame. */
function lengths(totals: readonly number[], most: number): number[][] {
  return cutIntoFrames(totals.map(bytes), most).map((pieces) =>
    pieces.map(({ byteLength }) => byteLength)
  );
}

Deno.test("one frame is the rule, even where there is nothing to carry", () => {
  assert.deepEqual(lengths([], 64), [[]]);
  assert.deepEqual(lengths([0, 0], 64), [[0, 0]]);
  assert.deepEqual(lengths([64], 64), [[64]]);
  assert.deepEqual(lengths([3, 56], 64), [[3, 56]]);
});

Deno.test("what does not fit goes on in the next frame, in order", () => {
  assert.deepEqual(lengths([65], 64), [[64], [1]]);
  assert.deepEqual(lengths([3, 57], 64), [[3, 56], [0, 1]]);
  assert.deepEqual(lengths([10, 0, 200, 5], 64), [
    [10, 0, 48, 0],
    [0, 0, 64, 0],
    [0, 0, 64, 0],
    [0, 0, 24, 5],
  ]);
});

Deno.test("pieces cover each tensor once, and no frame is larger than it may be", () => {
  for (const totals of [[1 << 29], [1000, 2 ** 30 + 1, 7], [1, 1, 1, 1], [63, 64, 65, 0, 128]]) {
    const most = totals.some((total) => total > 1e6) ? 16 << 20 : 64;
    const frames = cutIntoFrames(totals.map(bytes), most);
    const covered = totals.map(() => 0);
    for (const pieces of frames) {
      const padded = pieces.reduce((sum, { byteLength }) => sum + Math.ceil(byteLength / 8) * 8, 0);
      assert.ok(padded <= most);
      for (const [i, { offset, byteLength }] of pieces.entries()) {
        assert.equal(offset, covered[i]);
        covered[i]! += byteLength;
      }
    }
    assert.deepEqual(covered, totals);
  }
});
