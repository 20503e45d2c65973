import assert from "node:assert/strict";
import { gradientGraph } from "../autodiff/mod.ts";
import { GraphBuilder, numbers, tensor, traceFacts, writeModel } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import { Runtime } from "./runtime.ts";
import { scatteredModels, scatteredRows } from "./scattered_rows.ts";

const ROWS = 90;
const WIDTH = 3;

/** The gradient of a table of which `perSample` rows are taken, and its name. */
async function tableGradient(runtime: Runtime, perSample: number) {
  const builder = new GraphBuilder("table");
  builder.initializer("table", tensor("float32", [ROWS, WIDTH], new Float32Array(ROWS * WIDTH)));
  builder.input("tokens", "int64", ["batch", perSample]);
  builder.output(
    builder.node("Gather", ["table", "tokens"], {}, { outputs: ["y"] }),
    "float32",
  );
  const graph = builder.build();
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const made = gradientGraph(graph, facts, { outputs: ["y"], wrt: ["table"] });
  return { graph: made.graph, seed: made.seeds.get("y")!, gradient: made.gradients.get("table")! };
}

Deno.test("on one thread rows are added up where they belong", async () => {
  const runtime = Runtime.open({ threads: 1 });
  const random = new Random(1);
  // Sorted in whole blocks, and filled up to them.
  for (const perSample of [32, 37]) {
    const { graph, seed, gradient } = await tableGradient(runtime, perSample);
    const scattered = scatteredRows(graph);
    const operators = new Set(scattered.nodes.map(({ op }) => op));
    assert.ok(operators.has("ScatterND") && !operators.has("TopK"), "it was rewritten");
    const draw = (count: number, next: () => number) => Array.from({ length: count }, next);
    const feeds = new Map([
      ["table", tensor("float32", [ROWS, WIDTH], draw(ROWS * WIDTH, () => 0))],
      [
        "tokens",
        tensor("int64", [3, perSample], draw(3 * perSample, () => random.integer(ROWS) - 40)),
      ],
      [
        seed,
        tensor(
          "float32",
          [3, perSample, WIDTH],
          draw(3 * perSample * WIDTH, () => random.normal()),
        ),
      ],
    ]);
    const sums = async (form: typeof graph) =>
      numbers((await runtime.evaluate(writeModel(form), feeds)).get(gradient)!);
    const [expected, found] = [await sums(graph), await sums(scattered)];
    assert.equal(found.length, ROWS * WIDTH);
    expected.forEach((value, i) => assert.ok(Math.abs(value - found[i]!) < 1e-5, `[${i}]`));
  }
});

Deno.test("for several threads models stay as they are, for the scatter would race", async () => {
  const { graph } = await tableGradient(Runtime.open({ threads: 1 }), 32);
  const models = { backward: writeModel(graph) };
  assert.equal(scatteredModels(models, 2), models);
  assert.notEqual(scatteredModels(models, 1).backward, models.backward);
});
