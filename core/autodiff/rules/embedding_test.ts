import assert from "node:assert/strict";
import { Random } from "../../random.ts";
import { GraphBuilder, numbers, tensor, traceFacts, writeModel } from "../../onnx/mod.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { type Case, runtime, testCases } from "./gradient_check_test.ts";

const indices = (dims: readonly (number | "batch")[], values: readonly number[]) => ({
  dims,
  values,
  dtype: "int64" as const,
});

testCases("rows of a table, taken more than once, in front and behind", [
  ...(["float32", "float64"] as const).flatMap((dtype): Case[] => [
    { op: "Gather", dtype, operands: [[70, 3], indices(["batch", 3], [69, 0, 5, 5, -1, 5])] },
    { op: "Gather", dtype, operands: [[65, 2, 2], indices(["batch"], [64, -64])] },
    { op: "Gather", dtype, opset: 20, operands: [[300, 2], indices([4], [7, 7, 299, 7])] },
  ]),
  { op: "Gather", operands: [[70, 2, 3], indices([3], [4, 5, 6])] },
  {
    op: "Gather",
    operands: [["batch", 5, 3], indices([3], [-3, -2, -1])],
    attributes: { axis: 1 },
  },
]);

/** Sums of the rows of dy by index, against a loop. */
async function checkSums(o: {
  readonly rows: number;
  readonly perSample: number;
  readonly batch: number;
  readonly draw: (random: Random) => number;
}): Promise<void> {
  const width = 3;
  const { rows, perSample, batch } = o;
  const b = new GraphBuilder("table");
  const random = new Random(5);
  b.initializer("table", tensor("float32", [rows, width], new Float32Array(rows * width)));
  b.input("indices", "int64", ["batch", perSample]);
  b.output(b.node("Gather", ["table", "indices"]), "float32");
  const graph = b.build();
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 2 });
  const y = graph.outputs[0]!.name;
  const whole = gradientGraph(graph, facts, { outputs: [y], wrt: ["table"] });
  const taken = Array.from({ length: batch * perSample }, () => o.draw(random));
  const seed = Float32Array.from({ length: taken.length * width }, () => random.normal());
  const values = await runtime().evaluate(
    writeModel(whole.graph),
    new Map([
      ["table", graph.initializers.get("table")!],
      ["indices", tensor("int64", [batch, perSample], taken)],
      [whole.seeds.get(y)!, tensor("float32", [batch, perSample, width], seed)],
    ]),
  );
  const expected = new Float64Array(rows * width);
  taken.forEach((row, i) => {
    for (let j = 0; j < width; j++) expected[row * width + j]! += seed[i * width + j]!;
  });
  const actual = numbers(values.get(whole.gradients.get("table")!)!);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(Math.abs(actual[i]! - expected[i]!) < 1e-4, `[${i}] ${actual[i]} ${expected[i]}`);
  }
}

Deno.test("sums over many blocks: rare, frequent and one index only", async () => {
  for (const perSample of [128, 37, 1, 300]) {
    for (const batch of [1, 3]) {
      const rows = 1000;
      await checkSums({ rows, perSample, batch, draw: (random) => random.integer(rows) });
      await checkSums({
        rows,
        perSample,
        batch,
        draw: (random) => random.uniform() < 0.6 ? 17 : random.integer(9),
      });
      await checkSums({ rows, perSample, batch, draw: () => 999 });
    }
  }
});
