import assert from "node:assert/strict";
import { outer, reduceDelayOf } from "./averaging_schema.ts";
import { parseConfig } from "./config.ts";

Deno.test("the outer optimizer by its name has the paper's values", () => {
  assert.deepEqual(outer.parse(undefined), { type: "none" });
  assert.deepEqual(outer.parse("nesterov"), { type: "nesterov", lr: 0.7, momentum: 0.9 });
  assert.deepEqual(outer.parse("sgd"), { type: "sgd", lr: 1, momentum: 0 });
  assert.equal(outer.safeParse({ type: "nesterov", momentum: 0 }).success, false);
  assert.equal(outer.safeParse({ type: "sgd", momentum: 1 }).success, false);
  assert.equal(outer.safeParse({ type: "sgd", lr: 0 }).success, false);
});

Deno.test("an average goes on for a tenth of the updates, where that is something", () => {
  const delays =
    ([["epoch", 0], ["never", 0], [1, 0], [2, 1], [7, 2], [10, 4], [40, 4], [100, 10]] as const)
      .map(([reduce_every, delay]) => {
        const keys = { reduce_every, average_optimizer: false };
        assert.equal(reduceDelayOf({ ...keys, reduce_delay: 3 }), 3);
        return [reduceDelayOf({ ...keys, reduce_delay: "auto" }), delay];
      });
  for (const [found, expected] of delays) assert.equal(found, expected);
  const keys = { reduce_every: 100, reduce_delay: "auto", average_optimizer: true } as const;
  assert.equal(reduceDelayOf(keys), 0);
});

Deno.test("the optimizer's state cannot be averaged while training goes on", () => {
  const text = "model: m.onnx\ndata: {train: {inputs: x.npy, labels: y.npy}}\n" +
    "average_optimizer: true\nreduce_every: 10\nreduce_delay: 2\n";
  assert.throws(
    () => parseConfig(text, "ravn.yaml"),
    /^RavnError: ravn\.yaml:5: reduce_delay: 2 does not go with average_optimizer: true/,
  );
  assert.ok(parseConfig(text, "ravn.yaml", [["reduce_delay", "auto"]]).average_optimizer);
});
