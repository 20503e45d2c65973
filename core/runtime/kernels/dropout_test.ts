import assert from "node:assert/strict";
import { dropoutKeeps, dropoutSalt } from "../../autodiff/mod.ts";
import { Arena } from "../arena.ts";
import { dropoutMask } from "./dropout.ts";

Deno.test("the mask is the reference's, bit for bit", () => {
  const salt = dropoutSalt("dropout_1");
  for (const length of [1, 2, 3, 4, 5, 6, 7, 64, 1001]) {
    const mask = new Arena(8192).allocateFloats(length);
    const after = new Float32Array(mask.buffer, mask.byteOffset + mask.byteLength, 4);
    for (const ratio of [0, 0.1, 0.5, 0.999]) {
      for (const [seed, step] of [[42, 7], [0, 0], [0xffffffff, 123456789]] as const) {
        dropoutMask(mask, { seed, step, salt, ratio });
        const kept = Math.fround(1 / (1 - ratio));
        const expected = Array.from(
          mask,
          (_, i) => dropoutKeeps(seed, step, salt, i, ratio) ? kept : 0,
        );
        assert.deepEqual([...mask], expected, `length ${length}, ratio ${ratio}`);
        assert.deepEqual([...after], [0, 0, 0, 0]);
      }
    }
  }
});

Deno.test("a ratio outside [0, 1) is refused", () => {
  const mask = new Arena(64).allocateFloats(4);
  for (const ratio of [1, -0.1, NaN]) {
    assert.throws(() => dropoutMask(mask, { seed: 1, step: 1, salt: 1, ratio }), RangeError);
  }
});
