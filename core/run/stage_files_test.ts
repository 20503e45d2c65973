import assert from "node:assert/strict";
import { GraphBuilder, tensor, traceFacts } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { buildPrograms } from "../training/mod.ts";
import type { StageProgram } from "../training/mod.ts";
import { readStage, stageContents, writeFiles } from "./stage_files.ts";

/** y = x·A·B in two stages. */
async function programs(splitBackward: boolean): Promise<StageProgram[]> {
  const builder = new GraphBuilder("product");
  const x = builder.input("x", "float32", ["batch", 2]);
  const weights = ["a", "b"].map((name) =>
    builder.initializer(name, tensor("float32", [2, 2], [1, 2, 3, 4]))
  );
  const hidden = builder.node("MatMul", [x, weights[0]!]);
  builder.output(builder.node("MatMul", [hidden, weights[1]!]), "float32", ["batch", 2]);
  const graph = builder.build();
  const facts = await traceFacts(graph, Runtime.open().evaluate, { batch: 3 });
  return buildPrograms({
    graph,
    facts,
    stages: graph.nodes.map(({ name }) => [name]),
    recompute: [false, false],
    splitBackward,
    batch: 3,
    loss: { type: "mse" },
    labels: { dtype: "float32", dims: [{ perSample: 1 }, 2] },
    labelsFrom: "root",
    maskAs: "input",
  });
}

/** The graphs of a stage that was written over those of other stages. */
async function graphsRead(folder: string, ...written: StageProgram[]): Promise<string[]> {
  for (const program of written) await writeFiles(folder, stageContents(program));
  return Object.keys((await readStage(folder)).models).sort();
}

Deno.test("a stage has the graphs of its manifest, whatever else lies in the folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [whole, split] = [await programs(false), await programs(true)];
    const [root, last] = [0, 1] as const;
    const plain = ["backward", "evaluate", "forward"];
    assert.deepEqual(await graphsRead(folder, whole[root]!), plain);
    assert.deepEqual(await graphsRead(folder, split[root]!), ["evaluate", "forward", "weights"]);
    assert.deepEqual(await graphsRead(folder, whole[root]!), plain);
    assert.deepEqual(await graphsRead(folder, whole[last]!), ["evaluate", "step"]);
    assert.deepEqual(await graphsRead(folder, split[last]!), ["evaluate", "step", "weights"]);
    await Deno.remove(`${folder}/weights.onnx`);
    await assert.rejects(readStage(folder), /weights\.onnx/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
