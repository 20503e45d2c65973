import assert from "node:assert/strict";
import { gradientGraph } from "../autodiff/mod.ts";
import type { GradientGraph } from "../autodiff/mod.ts";
import { type Content, writeNpy, writeWhole } from "../data/mod.ts";
import { tensor, writeModel } from "../onnx/mod.ts";
import type { Node } from "../onnx/mod.ts";
import { digitsCnn, lenet } from "../../models/mod.ts";
import type { MakeGradient } from "./gradient_probe.ts";
import type { VerifyReport, VerifyRequest } from "./requests.ts";
import { verify } from "./verify.ts";

const TERMS = { batch: 4, seed: 1, tolerance: 0.01, seconds: 60 };
const EXPORTS = new URL("../../fixtures/exports/", import.meta.url).pathname;

async function withFile<T>(
  name: string,
  content: Content,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/${name}`;
    await writeWhole(path, content);
    return await use(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A backward pass in which the gradient of `value` comes out `factor` times too large. */
function sabotaged(value: string, factor: number): MakeGradient {
  return (graph, facts, o): GradientGraph => {
    const whole = gradientGraph(graph, facts, o);
    const right = whole.gradients.get(value);
    if (right === undefined) return whole;
    const inner = `${right}.right`;
    const rename = (name: string) => name === right ? inner : name;
    const nodes = whole.graph.nodes.map((node): Node => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    }));
    const scale: Node = {
      name: "sabotage",
      op: "Mul",
      domain: "",
      inputs: [inner, "sabotage.factor"],
      outputs: [right],
      attributes: {},
    };
    const factorTensor = tensor("float32", [], [factor]);
    const initializers = new Map([...whole.graph.initializers, ["sabotage.factor", factorTensor]]);
    return { ...whole, graph: { ...whole.graph, nodes: [...nodes, scale], initializers } };
  };
}

function wrongOf({ rows }: VerifyReport): string[] {
  return rows.filter(({ verdict }) => verdict === "differs").map(({ name }) => name);
}

Deno.test("networks with kinks, batch norms and dropout pass", async () => {
  for (const model of [digitsCnn({ seed: 1 }), lenet({ seed: 1 })]) {
    await withFile("model.onnx", writeModel(model), async (path) => {
      const report = await verify({ model: path, ...TERMS });
      assert.equal(report.verdict, "pass", JSON.stringify(wrongOf(report)));
      assert.equal(report.operators.checked, report.operators.of);
      assert.equal(report.parameters.checked, report.parameters.of);
      assert.ok(report.worst!.relative! < 0.1);
    });
  }
});

Deno.test("a gradient that is wrong by a tenth fails, by its name", async () => {
  const model = `${EXPORTS}bert_16.onnx`;
  for (const name of ["words.weight", "norm.bias", "places.weight"]) {
    const report = await verify({ model, ...TERMS }, sabotaged(name, 1.1));
    assert.equal(report.verdict, "fail", name);
    assert.ok(wrongOf(report).includes(name), `${name}: ${wrongOf(report)}`);
    assert.equal(report.worst!.verdict, "differs");
  }
});

Deno.test("a wrong operator fails alone", async () => {
  const model = `${EXPORTS}dynamo_split_18.onnx`;
  const softmax = "node_Softmax_12";
  const wrong: MakeGradient = (graph, facts, o) =>
    graph.nodes.length === 1 && graph.nodes[0]!.op === "Softmax"
      ? sabotaged(graph.nodes[0]!.inputs[0]!, 0.5)(graph, facts, o)
      : gradientGraph(graph, facts, o);
  const report = await verify({ model, ...TERMS }, wrong);
  assert.equal(report.verdict, "fail");
  assert.deepEqual(wrongOf(report), [softmax]);
});

Deno.test("a gradient in the wrong place fails", async () => {
  const model = `${EXPORTS}flat_11.onnx`;
  const report = await verify({ model, ...TERMS }, sabotaged("conv.weight", -1));
  assert.equal(report.verdict, "fail");
});

Deno.test("inputs come from files, which must fit", async () => {
  const request = (inputs: VerifyRequest["inputs"]): VerifyRequest => ({
    model: `${EXPORTS}bag_13.onnx`,
    ...TERMS,
    ...(inputs === undefined ? {} : { inputs }),
  });
  const ids = writeNpy(tensor("int32", [5, 5], Array.from({ length: 25 }, (_, i) => i % 23)));
  const x = writeNpy(tensor("float32", [5, 4], Array.from({ length: 20 }, (_, i) => Math.sin(i))));
  await withFile("ids.npy", ids, (first) =>
    withFile("x.npy", x, async (second) => {
      const report = await verify(request({ ids: first, x: second }));
      assert.equal(report.verdict, "pass");
      assert.equal(report.samples, 4);
      await assert.rejects(verify(request({ ids: first })), /no data for input "x"/);
      await assert.rejects(verify(request({ ids: second, x: second })), /input "ids" takes \[5\]/);
    }));
});

Deno.test("time that is up ends the search without a verdict", async () => {
  const report = await verify({ model: `${EXPORTS}gpt_tied_13.onnx`, ...TERMS, seconds: 1e-3 });
  assert.equal(report.verdict, "incomplete");
  assert.deepEqual(report.model, { checked: 0, of: 3 });
  assert.equal(report.operators.checked, 0);
  assert.equal(report.parameters.checked, 0);
  assert.ok(report.parameters.of > 10);
  assert.ok(report.secondsForAll! > 1);
});
