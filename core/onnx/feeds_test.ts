import assert from "node:assert/strict";
import { batchOf, feedsAt } from "./feeds.ts";
import type { ValueInfo } from "./graph.ts";
import { graphOf } from "./sample_graphs.ts";
import { numbers, tensor } from "./tensor.ts";

function withInputs(...inputs: ValueInfo[]) {
  return graphOf([], { inputs });
}

Deno.test("the batch is the first free first dimension, or else the first fixed one", () => {
  const fixed: ValueInfo = { name: "a", dtype: "float32", shape: [64, 2] };
  const free: ValueInfo = { name: "b", dtype: "float32", shape: ["n", 2] };
  const scalar: ValueInfo = { name: "c", dtype: "float32", shape: [] };
  assert.deepEqual(batchOf(withInputs(scalar, fixed, free)), { symbol: "n" });
  assert.deepEqual(batchOf(withInputs(scalar, fixed)), { size: 64 });
  assert.deepEqual(batchOf(withInputs(scalar)), {});
});

Deno.test("feeds have the batch size and are the same every time", () => {
  const graph = withInputs(
    { name: "x", dtype: "float32", shape: ["n", 3] },
    { name: "ids", dtype: "int64", shape: [2, "n"] },
    { name: "on", dtype: "bool", shape: ["n"] },
    { name: "h", dtype: "float16", shape: ["n", 2] },
    { name: "b", dtype: "bfloat16", shape: ["n", 2] },
  );
  const feeds = feedsAt(graph, 5, {}, "m.onnx");
  assert.deepEqual([...feeds.values()].map(({ dims }) => dims), [
    [5, 3],
    [2, 5],
    [5],
    [5, 2],
    [5, 2],
  ]);
  assert.deepEqual(feedsAt(graph, 5, {}, "m.onnx"), feeds);
  assert.equal(new Set(numbers(feeds.get("x")!)).size, 15);
  assert.ok(numbers(feeds.get("ids")!).every((id) => id === 0));
  assert.ok(numbers(feeds.get("on")!).every((bit) => bit === 1));
});

Deno.test("examples are repeated or cut to the batch size", () => {
  const graph = withInputs(
    { name: "x", dtype: "float32", shape: ["n", 2] },
    { name: "table", dtype: "float32", shape: [3] },
    { name: "u", dtype: "float32" },
  );
  const inputs = new Map([
    ["x", tensor("float32", [2, 2], [1, 2, 3, 4])],
    ["table", tensor("float32", [3], [7, 8, 9])],
    ["u", tensor("float32", [1], [5])],
  ]);
  const at = (batch: number) =>
    [...feedsAt(graph, batch, { inputs }, "m.onnx").values()].map((t) => [...numbers(t)]);
  assert.deepEqual(at(1), [[1, 2], [7, 8, 9], [5]]);
  assert.deepEqual(at(3), [[1, 2, 3, 4, 1, 2], [7, 8, 9], [5, 5, 5]]);
});

Deno.test("other free dimensions need a size", () => {
  const graph = withInputs({ name: "x", dtype: "float32", shape: ["n", "sequence"] });
  assert.throws(
    () => feedsAt(graph, 2, {}, "m.onnx"),
    /^RavnError: m\.onnx: input 'x' has the free dimension 'sequence' at position 1; give its size/,
  );
  const sizes = new Map([["sequence", 7]]);
  assert.deepEqual(feedsAt(graph, 2, { sizes }, "m.onnx").get("x")!.dims, [2, 7]);
  assert.throws(
    () => feedsAt(withInputs({ name: "u", dtype: "float32" }), 2, {}, "m.onnx"),
    /input 'u' declares no shape; give an example/,
  );
});
