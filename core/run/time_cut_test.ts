import assert from "node:assert/strict";
import { GraphBuilder } from "../onnx/mod.ts";
import { halves } from "./time_cut.ts";

/** A chain of operators that take so long. */
function chain(times_ms: readonly number[]) {
  const builder = new GraphBuilder("chain");
  let value = builder.input("x", "float32", ["batch", 2]);
  for (const _ of times_ms) value = builder.node("Relu", [value]);
  builder.output(value, "float32", ["batch", 2]);
  const graph = builder.build();
  const times = new Map(graph.nodes.map(({ name }, i) => [
    name,
    { forward_ms: times_ms[i]! / 4, backward_ms: times_ms[i]! * 3 / 4 },
  ]));
  return halves(graph, times)?.map((names) => names.length);
}

Deno.test("a model is cut where half of its time has passed, and never into nothing", () => {
  assert.deepEqual(chain([1, 1, 1, 1]), [2, 2]);
  assert.deepEqual(chain([9, 1, 1]), [1, 2]);
  assert.deepEqual(chain([1, 1, 9]), [2, 1]);
  assert.deepEqual(chain([0, 0]), [1, 1]);
  assert.equal(chain([5]), undefined);
});
