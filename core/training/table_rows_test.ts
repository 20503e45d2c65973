import assert from "node:assert/strict";
import { foldConstants, GraphBuilder, tensor, traceFacts } from "../onnx/mod.ts";
import type { Graph } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { buildPrograms } from "./program.ts";
import { rowsLeft } from "./table_rows.ts";

const ROWS = 80;
const WIDTH = 6;
const PER_SAMPLE = 37;

/** What is done with a table's rows, and where their indices come from. */
interface Kind {
  readonly dtype?: "int32" | "int64";
  readonly tied?: boolean;
  /** The indices are computed. */
  readonly shifted?: boolean;
  readonly height?: number;
}

/** The step graph of a model with a table, and its manifest. */
async function stepOf({ dtype = "int64", tied, shifted, height = ROWS }: Kind) {
  const runtime = Runtime.open();
  const b = new GraphBuilder("table");
  const values = new Float32Array(height * WIDTH).fill(0.5);
  b.initializer("table", tensor("float32", [height, WIDTH], values));
  b.input("tokens", dtype, ["batch", PER_SAMPLE]);
  const one = b.initializer("one", tensor(dtype, [1], [1]));
  const x = b.node("Tanh", [b.node("Gather", [
    "table",
    shifted === true ? b.node("Sub", ["tokens", one]) : "tokens",
  ])]);
  const y = tied === true
    ? b.node("MatMul", [x, b.node("Transpose", ["table"], { perm: [1, 0] })])
    : x;
  b.output(b.node("Identity", [y], {}, { outputs: ["y"] }), "float32");
  const traced = await traceFacts(b.build(), runtime.evaluate, { batch: 2 });
  const graph = foldConstants(b.build(), traced);
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const [program] = buildPrograms({
    graph,
    facts,
    stages: [graph.nodes.map(({ name }) => name)],
    recompute: [false],
    batch: 4,
    loss: { type: "mse" },
    labels: { dtype: "float32", dims: facts.get("y")!.dims.slice() },
    labelsFrom: "root",
    maskAs: "input",
  });
  const { manifest, graphs } = program!;
  return { manifest, step: graphs.step!, gradient: manifest.parameters[0]!.gradient };
}

const operators = ({ nodes }: Graph) => new Set(nodes.map(({ op }) => op));
const names = (ports: readonly { readonly name: string }[]) => ports.map(({ name }) => name);

Deno.test("a table's gradient is left as rows, whatever the type of the indices", async () => {
  for (const dtype of ["int64", "int32"] as const) {
    const { manifest, step, gradient } = await stepOf({ dtype });
    assert.ok(operators(step).has("TopK") && names(step.outputs).includes(gradient));
    const { graph, rows, written } = rowsLeft(step, manifest);
    const [left] = rows;
    assert.ok(left !== undefined && rows.length === 1);
    assert.deepEqual(written, []);
    assert.deepEqual(left.rows.dims, [{ perSample: 1 }, PER_SAMPLE, WIDTH]);
    assert.deepEqual([left.indices.value, left.indices.dtype], ["tokens", dtype]);
    assert.deepEqual([left.gradient, left.height, left.rows.isLeft], [gradient, ROWS, true]);
    assert.equal(left.indices.isLeft, false, "the graph was given them");
    assert.ok(!operators(graph).has("TopK"), "the sum is gone");
    const others = names(step.outputs).filter((name) => name !== gradient);
    assert.deepEqual(names(graph.outputs), [...others, left.rows.value]);
  }
});

Deno.test("of a tied table the rest of the gradient stays where it was", async () => {
  const { manifest, step, gradient } = await stepOf({ tied: true });
  const { graph, rows, written } = rowsLeft(step, manifest);
  assert.equal(rows.length, 1);
  assert.deepEqual(written, [gradient]);
  assert.ok(!operators(graph).has("TopK"));
  assert.ok(names(graph.outputs).includes(gradient));
  assert.equal(graph.nodes.filter(({ outputs }) => outputs.includes(gradient)).length, 1);
});

Deno.test("indices that the graph computes are left, too", async () => {
  const { manifest, step } = await stepOf({ shifted: true });
  const { graph, rows: [left] } = rowsLeft(step, manifest);
  assert.deepEqual(left!.indices.dims, [{ perSample: 1 }, PER_SAMPLE]);
  assert.equal(left!.indices.isLeft, true);
  assert.ok(names(graph.outputs).includes(left!.indices.value));
  assert.ok(!operators(graph).has("TopK"));
});

Deno.test("what is of another form stays as it is", async () => {
  const shifted = await stepOf({ shifted: true });
  const { indices: _, ...untold } = shifted.manifest;
  // Indices of which nobody knows before the run how many there are, and a table of few rows.
  for (
    const { manifest, step } of [{ ...shifted, manifest: untold }, await stepOf({ height: 64 })]
  ) {
    const { graph, rows } = rowsLeft(step, manifest);
    assert.equal(rows.length, 0);
    assert.deepEqual(graph.nodes, step.nodes);
    assert.deepEqual(graph.outputs, step.outputs);
  }
});
