import assert from "node:assert/strict";
import { GraphBuilder, int64s, tensor } from "../onnx/mod.ts";
import type { Facts, Graph } from "../onnx/mod.ts";
import { costKey } from "./cost_key.ts";

function facts(graph: Graph, width: number): Facts {
  const fact = { dtype: "float32", dims: [{ perSample: 1 }, width] } as const;
  return new Map(
    [...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap((n) => n.outputs)]
      .map((name) => [name, fact]),
  );
}

function dense(name: string, width: number, alpha?: number): Graph {
  const b = new GraphBuilder(name);
  const x = b.input(`${name}.x`, "float32", ["batch", width]);
  const w = b.initializer(
    `${name}.w`,
    tensor("float32", [width, width], new Float32Array(width ** 2)),
  );
  const attributes = { transB: 1, ...(alpha === undefined ? {} : { alpha }) };
  b.output(b.node("Gemm", [x, w], attributes, { name }), "float32");
  return b.build();
}

const keyOf = (graph: Graph, width: number, batch = 64) =>
  costKey(graph.nodes[0]!, graph, facts(graph, width), batch);

Deno.test("the key holds operator, attributes, types and shapes, and no names", () => {
  assert.equal(
    keyOf(dense("a", 8), 8),
    "Gemm;transB=1(float32[64,8],float32[8,8])->float32[64,8]",
  );
  assert.equal(keyOf(dense("a", 8), 8), keyOf(dense("b", 8), 8));
});

Deno.test("other shapes, batches or attributes make another key", () => {
  const keys = new Set([
    keyOf(dense("a", 8), 8),
    keyOf(dense("a", 9), 9),
    keyOf(dense("a", 8), 8, 32),
    keyOf(dense("a", 8, 0.5), 8),
  ]);
  assert.equal(keys.size, 4);
});

Deno.test("small integer inputs count by value", () => {
  const transposed = (axes: number[]) => {
    const b = new GraphBuilder("g");
    const x = b.input("x", "float32", ["batch", 8]);
    const y = b.node("ReduceSum", [x, b.initializer("axes", int64s(axes))]);
    b.output(y, "float32");
    return b.build();
  };
  assert.notEqual(keyOf(transposed([0]), 8), keyOf(transposed([1]), 8));
  assert.equal(keyOf(transposed([1]), 8), keyOf(transposed([1]), 8));
});
