import assert from "node:assert/strict";
import { accuracyKind, countCorrect, countSequences } from "./loss_accuracy.ts";

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
  assert.equal(countCorrect(output, [1, 0, 0], "index", 3).correct, 2);
  assert.equal(countCorrect(output, BigInt64Array.of(1n, 0n, 2n), "index", 3).correct, 3);
  assert.equal(
    countCorrect(output, Float32Array.of(0, 1, 0, 1, 0, 0, 1, 0, 0), "onehot", 3).correct,
    2,
  );
});

Deno.test("rows to be ignored are neither right nor wrong", () => {
  const output = Float32Array.of(0.1, 0.8, 0.1, 0.6, 0.2, 0.2, 0.3, 0.3, 0.4);
  const of = (ignored?: number) => countCorrect(output, [1, -100, 0], "index", 3, ignored);
  assert.deepEqual(of(), { correct: 1, rows: 3 });
  assert.deepEqual(of(-100), { correct: 1, rows: 2 });
  assert.deepEqual(of(1), { correct: 0, rows: 2 });
});

Deno.test("a sequence is right where all of its rows that count are", () => {
  // Classes 1, 0, 1, 1, 0, 0.
  const output = [0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0];
  const of = (labels: number[], length: number) =>
    countSequences(output, labels, "index", 2, length, -1);
  assert.deepEqual(of([1, 0, 1, 1, 0, 1], 2), { correct: 2, rows: 3 });
  assert.deepEqual(of([-1, 0, 0, 1, -1, -1], 2), { correct: 1, rows: 2 });
  assert.deepEqual(of([-1, 0, -1, -1, 0, 1], 3), { correct: 1, rows: 2 });
});

Deno.test("a tie goes to the first class, NaN to none", () => {
  assert.equal(countCorrect([5, 5, 1], [0], "index", 3).correct, 1);
  assert.equal(countCorrect([5, 5, 1], [1], "index", 3).correct, 0);
  assert.equal(countCorrect([NaN, NaN, NaN], [0], "index", 3).correct, 0);
  assert.equal(countCorrect([-Infinity, -Infinity], [0], "index", 2).correct, 1);
});

Deno.test("lengths that do not agree are a mistake of the caller", () => {
  assert.throws(() => countCorrect([1, 2, 3], [0], "index", 2), RangeError);
  assert.throws(() => countCorrect([1, 2], [0], "onehot", 2), RangeError);
});
