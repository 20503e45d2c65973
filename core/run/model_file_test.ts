import assert from "node:assert/strict";
import { writeNpy, writeWhole } from "../data/mod.ts";
import { tensor } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { loadModel, sizesOfData } from "./model_file.ts";

const MODEL = new URL("../../fixtures/exports/gpt_tied_13.onnx", import.meta.url).pathname;

Deno.test("the data decide how long a sequence is; the whole model keeps it free", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const inputs = `${folder}/ids.npy`;
    await writeWhole(inputs, writeNpy(tensor("int64", [3, 5], new Array<number>(15).fill(1))));
    const { evaluate } = Runtime.open();
    const { graph, whole, facts } = await loadModel(
      MODEL,
      evaluate,
      (read) => sizesOfData(read, { inputs }),
    );
    assert.deepEqual(graph.inputs[0]!.shape, ["batch", 5]);
    assert.deepEqual(whole.inputs[0]!.shape, ["batch", "sequence"]);
    assert.deepEqual(facts.get(graph.outputs[0]!.name)!.dims, [{ perSample: 1 }, 5, 17]);
    await assert.rejects(loadModel(MODEL, evaluate), /free dimension 'sequence'/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
