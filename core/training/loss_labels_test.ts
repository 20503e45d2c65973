import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import type { DType, Extent } from "../onnx/mod.ts";
import type { ComputedLoss } from "./loss_config.ts";
import { labelsFor } from "./loss_labels.ts";

const BATCH = { perSample: 1 };
const ce = { type: "cross_entropy", label_smoothing: 0 } as const;
const mse = { type: "mse" } as const;
const bce = { type: "bce_with_logits" } as const;

function labels(loss: ComputedLoss, output: Extent[], dtype: DType, dims: number[]) {
  const fact = { dtype: "float32", dims: output } as const;
  return labelsFor(loss, { name: "y", fact }, { source: "y.npy", dtype, dims });
}

Deno.test("class losses take indices of any number type, or probabilities", () => {
  const index = { dtype: "int64", dims: [BATCH], classes: 10 };
  for (const dtype of ["uint8", "int32", "int64", "float64"] as const) {
    assert.deepEqual(labels(ce, [BATCH, 10], dtype, []), index);
    assert.deepEqual(labels(ce, [BATCH, 10], dtype, [1]), index);
  }
  const dense = { dtype: "float32", dims: [BATCH, 10] };
  assert.deepEqual(labels(ce, [BATCH, 10], "uint8", [10]), dense);
  assert.deepEqual(labels({ type: "nll" }, [BATCH, 10], "float32", [10]), dense);
});

Deno.test("class indices follow the output's places: pixels, or rows of a sequence", () => {
  assert.deepEqual(labels(ce, [BATCH, 3, 8, 8], "uint8", [8, 8]), {
    dtype: "int64",
    dims: [BATCH, 8, 8],
    classes: 3,
  });
  assert.deepEqual(labels(ce, [BATCH, 12, 50], "int64", [12]).classes, 50);
  assert.deepEqual(labels(ce, [{ perSample: 12 }, 50], "int64", [12]), {
    dtype: "int64",
    dims: [{ perSample: 12 }],
    classes: 50,
  });
});

Deno.test("other losses take the output's shape, or integer indices as one-hot", () => {
  assert.deepEqual(labels(mse, [BATCH, 10], "uint8", [10]), {
    dtype: "float32",
    dims: [BATCH, 10],
  });
  assert.deepEqual(labels(mse, [BATCH, 10], "int64", []).classes, 10);
  assert.deepEqual(labels(mse, [BATCH, 1], "int64", []), { dtype: "float32", dims: [BATCH, 1] });
  assert.deepEqual(labels(bce, [BATCH], "uint8", []), { dtype: "float32", dims: [BATCH] });
  assert.deepEqual(labels(mse, [BATCH, 3, 4, 4], "float64", [48]).dims, [BATCH, 3, 4, 4]);
});

Deno.test("labels that fit in no way name the file and both shapes", () => {
  const refused = (action: () => unknown, message: RegExp) =>
    assert.throws(action, (thrown) => {
      assert.ok(thrown instanceof RavnError);
      assert.match(thrown.message, message);
      return true;
    });
  refused(
    () => labels(mse, [BATCH, 10], "float32", [7]),
    /^y\.npy: .* \[batch,7\] .* "y" \[batch,10\] for loss mse; .* class indices \[batch\]$/,
  );
  refused(() => labels(mse, [BATCH, 10], "float32", []), /labels float32 \[batch\] do not go/);
  refused(() => labels(ce, [BATCH], "int64", []), /for loss cross_entropy; expected \[batch\]$/);
  refused(() => labels(ce, [BATCH, 3, 8, 8], "uint8", [64]), /or class indices \[batch,8,8\]$/);
});
