import assert from "node:assert/strict";
import { GraphBuilder, tensor } from "../onnx/mod.ts";
import type { Graph } from "../onnx/mod.ts";
import { makePlan, modelState } from "../planning/mod.ts";
import { inferredFacts } from "../planning/testing/inferred_facts.ts";
import { alike, planInput } from "../planning/testing/plan_inputs.ts";
import { sharedValue, withSharedParameters } from "./shared_parameters.ts";

const WIDTH = 8;

/** A chain of layers over [batch, 8], of which the first and the last share their matrix. */
function chain(): Graph {
  const b = new GraphBuilder("chain");
  const floats = (...dims: number[]) =>
    tensor("float32", dims, new Float32Array(dims.reduce((x, y) => x * y, 1)).fill(0.1));
  const tied = b.initializer("tied", floats(WIDTH, WIDTH));
  let x = b.input("x", "float32", ["batch", WIDTH]);
  const layer = (name: string, weight: string) => {
    x = b.node("MatMul", [x, weight], {}, { name });
    x = b.node("Add", [x, b.initializer(`${name}.bias`, floats(WIDTH))], {}, { name: `${name}+` });
  };
  layer("first", tied);
  for (const name of ["second", "third"]) {
    layer(name, b.initializer(`${name}.weight`, floats(WIDTH, WIDTH)));
  }
  layer("last", tied);
  b.output(x, "float32", ["batch", WIDTH]);
  return b.build();
}

Deno.test("the first reader keeps a shared parameter, the others read a value", () => {
  const graph = chain();
  const shared = withSharedParameters(graph, inferredFacts(graph), modelState(graph).trainable);
  const readersOf = (name: string) =>
    shared.graph.nodes.filter(({ inputs }) => inputs.includes(name)).map((node) => node.name);
  assert.deepEqual(readersOf("tied"), ["first", sharedValue("tied")]);
  assert.deepEqual(readersOf(sharedValue("tied")), ["last"]);
  assert.deepEqual(shared.facts.get(sharedValue("tied")), {
    dtype: "float32",
    dims: [WIDTH, WIDTH],
  });
  assert.equal(withSharedParameters(graph, shared.facts, []).graph, graph);
});

Deno.test("a plan parts the readers and counts what goes between them", () => {
  const graph = chain();
  const shared = withSharedParameters(graph, inferredFacts(graph), modelState(graph).trainable);
  const plan = makePlan({
    ...planInput(shared.graph, alike(3)),
    facts: shared.facts,
    split: "params",
    clusters: 1,
  });
  const [first, , last] = plan.clusters[0]!.stages;
  assert.ok(first!.parameters.includes("tied"));
  assert.ok(!last!.parameters.includes("tied"));
  const received = last!.receives.find(({ value }) => value === sharedValue("tied"));
  assert.ok(received, "the last stage gets the weights");
  assert.equal(received.from, 0);
  assert.equal(received.gradient, true);
  assert.equal(Math.round(received.bytes_per_sample * 64), WIDTH * WIDTH * 4);
  assert.ok(first!.bytes_sent >= WIDTH * WIDTH * 4);
});
