import assert from "node:assert/strict";
import { digitsCnn, mlp } from "../../models/mod.ts";
import { estimateCosts, mergeTimes } from "./cost.ts";
import { inferredFacts } from "./testing/inferred_facts.ts";
import { modelState } from "./trainable.ts";

const graph = mlp({ seed: 1 });
const facts = inferredFacts(graph);
const { trainable } = modelState(graph);

Deno.test("a dense layer costs its operations, its bytes and 10 µs", () => {
  const costs = estimateCosts(graph, facts, 128, trainable);
  const node = graph.nodes.find((n) => n.op === "Gemm")!;
  const flops = 2 * 128 * 784 * 1024;
  const bytes = 4 * (128 * 784 + 784 * 1024 + 1024 + 128 * 1024);
  const { forward_ms, backward_ms } = costs.get(node.name)!;
  assert.ok(Math.abs(forward_ms - (flops / 20e6 + bytes / 8e6 + 0.01)) < 1e-9);
  // The first layer has no gradient of its input: one product back, as many as forward.
  assert.ok(backward_ms < 1.1 * forward_ms);
  const second = graph.nodes.filter((n) => n.op === "Gemm")[1]!;
  const { forward_ms: forward, backward_ms: backward } = costs.get(second.name)!;
  assert.ok(backward > 1.9 * forward && backward < 2.1 * forward);
});

Deno.test("time grows with the batch; every node has one", () => {
  const cnn = digitsCnn({ seed: 1 });
  const state = modelState(cnn).trainable;
  const small = estimateCosts(cnn, inferredFacts(cnn), 1, state);
  const large = estimateCosts(cnn, inferredFacts(cnn), 64, state);
  for (const { name } of cnn.nodes) {
    const time = small.get(name)!;
    assert.ok(time.forward_ms >= 0.01 && time.backward_ms >= 0);
    assert.ok(large.get(name)!.forward_ms > time.forward_ms);
  }
  // Nothing before the first weight needs a gradient; here conv2d_1 is the first operator.
  assert.ok(large.get("conv2d_1")!.backward_ms > 0);
});

Deno.test("measured times replace estimates and set their scale", () => {
  const time = (ms: number) => ({ forward_ms: ms, backward_ms: 2 * ms });
  const estimated = new Map([["a", time(1)], ["b", time(2)], ["c", time(3)]]);
  const merged = mergeTimes(
    estimated,
    new Map([["a", time(5)], ["c", time(15)], ["other", time(9)]]),
  );
  assert.deepEqual([...merged.keys()], ["a", "b", "c"]);
  assert.equal(merged.get("a")!.forward_ms, 5);
  assert.equal(merged.get("b")!.backward_ms, 20);
  assert.deepEqual(mergeTimes(estimated, new Map()), estimated);
  assert.throws(() => mergeTimes(estimated, new Map([["a", time(NaN)]])), RangeError);
});
