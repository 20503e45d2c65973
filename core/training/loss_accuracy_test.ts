import assert from "node:assert/strict";
import { accuracyKind, countCorrect } from "./loss_accuracy.ts";

const BATCH = { perSample: 1 };
const scores = { dtype: "float32", dims: [BATCH, 3] } as const;

Deno.test("the kind of accuracy follows from output and labels", () => {
  assert.equal(accuracyKind(scores, { dtype: "int64", dims: [BATCH] }), "index");
  const dense = { dtype: "float32", dims: [BATCH, 3] } as const;
  assert.equal(accuracyKind(scores, dense), "onehot");
  assert.equal(accuracyKind(scores, { ...dense, oneHot: false }), undefined);
  assert.equal(accuracyKind(scores, { dtype: "int64", dims: [BATCH, 3] }), undefined);
  const column = { dtype: "float32", dims: [BATCH, 1] } as const;
  assert.equal(accuracyKind(column, column), undefined);
  const images = { dtype: "float32", dims: [BATCH, 3, 8, 8] } as const;
  assert.equal(accuracyKind(images, { dtype: "int64", dims: [BATCH, 8, 8] }), undefined);
});

Deno.test("correct rows are counted for both kinds of labels", () => {
  const output = Float32Array.of(0.1, 0.8, 0.1, 0.6, 0.2, 0.2, 0.3, 0.3, 0.4);
  assert.equal(countCorrect(output, [1, 0, 0], "index", 3), 2);
  assert.equal(countCorrect(output, BigInt64Array.of(1n, 0n, 2n), "index", 3), 3);
  assert.equal(countCorrect(output, Float32Array.of(0, 1, 0, 1, 0, 0, 1, 0, 0), "onehot", 3), 2);
});

Deno.test("a tie goes to the first class, NaN to none", () => {
  assert.equal(countCorrect([5, 5, 1], [0], "index", 3), 1);
  assert.equal(countCorrect([5, 5, 1], [1], "index", 3), 0);
  assert.equal(countCorrect([NaN, NaN, NaN], [0], "index", 3), 0);
  assert.equal(countCorrect([-Infinity, -Infinity], [0], "index", 2), 1);
});

Deno.test("lengths that do not agree are a mistake of the caller", () => {
  assert.throws(() => countCorrect([1, 2, 3], [0], "index", 2), RangeError);
  assert.throws(() => countCorrect([1, 2], [0], "onehot", 2), RangeError);
});
