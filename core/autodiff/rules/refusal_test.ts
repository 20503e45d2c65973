/** What cannot be differentiated is refused in one line that says why. */
import assert from "node:assert/strict";
import { RavnError } from "../../error.ts";
import { type Case, checkCase } from "./gradient_check_test.ts";

const ints = (...values: number[]) => ({ dims: [values.length], dtype: "int64" as const, values });
const floats = (...values: number[]) => ({
  dims: [values.length],
  dtype: "float32" as const,
  values,
  fixed: true,
});

const CASES: readonly [test: Case, message: RegExp][] = [
  [{
    op: "GridSample",
    opset: 20,
    attributes: { mode: "cubic" },
    operands: [["batch", 1, 4, 4], ["batch", 2, 2, 2]],
  }, /node "node" \(GridSample\): mode "cubic"; "linear" and "nearest" are differentiated/],
  [{
    op: "Resize",
    opset: 18,
    attributes: { keep_aspect_ratio_policy: "not_larger", axes: [2, 3] },
    operands: [["batch", 1, 3, 4], null, null, ints(6, 6)],
  }, /\(Resize\): keep_aspect_ratio_policy "not_larger"/],
  [{
    op: "Resize",
    operands: [["batch", 2], null, floats(2, 1)],
  }, /\(Resize\): it resizes the batch/],
  [{
    op: "Scatter",
    opset: 10,
    attributes: { axis: 1 },
    operands: [["batch", 2], { dims: ["batch", 1], dtype: "int64", values: [0, 1] }, ["batch", 1]],
  }, /\(Scatter\): the gradient of its updates takes opset 11/],
];

Deno.test("refusals name the node and the reason", async () => {
  for (const [test, message] of CASES) {
    await assert.rejects(checkCase(test), (error) => {
      assert.ok(error instanceof RavnError, `${error}`);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  }
});
