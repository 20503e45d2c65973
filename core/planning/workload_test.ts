import assert from "node:assert/strict";
import { digitsCnn, residual } from "../../models/mod.ts";
import { GraphBuilder, scalar, tensor } from "../onnx/mod.ts";
import type { Fact } from "../onnx/mod.ts";
import { inferredFacts } from "./testing/inferred_facts.ts";
import { workloadOf } from "./workload.ts";

const graph = digitsCnn({ seed: 1 });
const digits = workloadOf(graph, inferredFacts(graph), { batch: 64 });

Deno.test("the digits CNN as numbers", () => {
  assert.equal(digits.operators.length, graph.nodes.length);
  const total = (state: typeof digits.parameters) =>
    [...state.values()].reduce((sum, { elements }) => sum + elements, 0);
  assert.equal(total(digits.parameters), 16_426);
  assert.equal(total(digits.buffers), 608);
  const input = digits.values.get("input")!;
  assert.deepEqual(input, {
    name: "input",
    producer: -1,
    readers: [0],
    bytes: 64 * 64 * 4,
    gradient: false,
  });
  const pooled = digits.operators.find(({ name }) => name === "maxpool2d_1")!;
  // Nothing of the graph, but an index of 8 bytes for each of 16·4·4 results a sample.
  assert.deepEqual(pooled.stash, []);
  assert.equal(pooled.stash_bytes, 64 * 256 * 8);
  const dense = digits.operators.find(({ name }) => name === "dense_1")!;
  assert.deepEqual(dense.parameters, ["dense_1.weight", "dense_1.bias"]);
  assert.deepEqual(dense.reads, ["flatten_out"]);
  assert.deepEqual(dense.stash, ["flatten_out"]);
  assert.equal(digits.operators.find(({ name }) => name === "drp_1")!.constant_bytes, 4);
});

Deno.test("a shortcut has several readers", () => {
  const net = residual({ seed: 1 });
  const { values, operators } = workloadOf(net, inferredFacts(net), { batch: 4 });
  const readers = values.get("relu_out")!.readers.map((i) => operators[i]!.name);
  assert.deepEqual(readers, ["layer1.0.conv1", "layer1.0.add"]);
});

Deno.test("constants do not flow; an early output of the model flows to the last operator", () => {
  const b = new GraphBuilder("g");
  const x = b.input("x", "float32", ["batch", 2]);
  const one = b.node("Identity", [b.initializer("one", scalar("float32", 1))], {}, {
    outputs: ["c"],
  });
  const w = b.initializer("w", tensor("float32", [2, 2], [1, 2, 3, 4]));
  const early = b.node("MatMul", [x, w], {}, { outputs: ["early"] });
  const scaled = b.node("Mul", [early, one], {}, { outputs: ["scaled"] });
  const y = b.node("Softmax", [scaled], {}, { outputs: ["y"] });
  for (const name of [early, y]) b.output(name, "float32");
  const rows: Fact = { dtype: "float32", dims: [{ perSample: 1 }, 2] };
  const facts = new Map<string, Fact>([
    ...["x", "early", "scaled", "y"].map((name): [string, Fact] => [name, rows]),
    ["c", { dtype: "float32", dims: [], constant: scalar("float32", 1) }],
  ]);
  const { values, operators } = workloadOf(b.build(), facts, { batch: 8 });
  assert.deepEqual([...values.keys()], ["x", "early", "scaled", "y"]);
  assert.deepEqual(values.get("early")!.readers, [2, 3]);
  assert.deepEqual(operators[2]!.reads, ["early"]);
  assert.deepEqual(values.get("y")!.readers, []);
  assert.ok(values.get("early")!.gradient && !values.get("x")!.gradient);
});

Deno.test("a value without a fact is named", () => {
  assert.throws(
    () => workloadOf(graph, new Map(), { batch: 1 }),
    /nothing is known about .*"input"/,
  );
});
