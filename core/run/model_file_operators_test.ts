import assert from "node:assert/strict";
import { join } from "node:path";
import { type Graph, GraphBuilder, tensor, writeModel } from "../onnx/mod.ts";
import { Runtime } from "../runtime/mod.ts";
import { loadModel } from "./model_file.ts";

/** A branch that passes x on, or its negative. */
function branch(name: string, op: "Identity" | "Neg"): Graph {
  const out = `${name}.out`;
  return {
    name,
    nodes: [{ name, op, domain: "", inputs: ["x"], outputs: [out], attributes: {} }],
    inputs: [],
    outputs: [{ name: out, dtype: "float32" }],
    initializers: new Map(),
    opsets: new Map(),
  };
}

/** A recurrent layer behind an If that asks for a dimension of the input. */
function exported(): Graph {
  const b = new GraphBuilder("exported");
  b.input("x", "float32", ["batch", 3, 4]);
  const two = b.constant(tensor("int64", [], [2]));
  const wanted = b.constant(tensor("int64", [], [4]));
  const size = b.node("Gather", [b.node("Shape", ["x"]), two]);
  const branches = {
    then_branch: { type: "graph" as const, value: branch("then", "Neg") },
    else_branch: { type: "graph" as const, value: branch("else", "Identity") },
  };
  const chosen = b.node("If", [b.node("Equal", [size, wanted])], branches);
  const steps = b.node("Transpose", [chosen], { perm: [1, 0, 2] });
  const weights = [4, 2].map((width, i) =>
    b.initializer(["w", "r"][i]!, tensor("float32", [1, 8, width], new Float32Array(8 * width)))
  );
  b.nodes("LSTM", [steps, ...weights], { hidden_size: 2 }, { outputs: ["", "h", ""] });
  b.output("h", "float32");
  return b.build();
}

Deno.test("a loaded model has its branch chosen and its recurrent layers written out", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "model.onnx");
    await Deno.writeFile(file, writeModel(exported()));
    const { graph, facts } = await loadModel(file, Runtime.open().evaluate);
    const ops = new Set(graph.nodes.map(({ op }) => op));
    assert.ok(ops.has("Neg") && ops.has("Tanh"));
    assert.ok(!ops.has("If") && !ops.has("LSTM") && !ops.has("Identity"));
    assert.deepEqual(facts.get("h")!.dims, [1, { perSample: 1 }, 2]);
    assert.ok(graph.initializers.has("w") && graph.initializers.has("r"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
