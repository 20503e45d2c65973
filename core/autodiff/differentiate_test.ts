import assert from "node:assert/strict";
import { RavnError } from "../error.ts";
import { type Graph, GraphBuilder, numbers, tensor, traceFacts, writeModel } from "../onnx/mod.ts";
import { differentiate } from "./differentiate.ts";
import { gradientGraph } from "./gradient_graph.ts";
import { checkGradients, runtime } from "./rules/gradient_check_test.ts";

const vector = (...values: number[]) => tensor("float32", [values.length], values);

async function factsOf(graph: Graph) {
  return await traceFacts(graph, runtime().evaluate, { batch: 2 });
}

async function gradientsOf(graph: Graph, wrt: string[], seeds = [graph.outputs[0]!.name]) {
  const names = new Map(seeds.map((output) => [output, `seed.${output}`]));
  return differentiate({ graph, facts: await factsOf(graph), seeds: names, wrt });
}

/** y = w · f(x), with branches that no gradient needs. */
function branching(): Graph {
  const b = new GraphBuilder("branching");
  b.input("x", "float32", ["batch", 3, 1]);
  b.initializer("w", vector(1, 2));
  b.node("DFT", ["x"], {}, { name: "odd", outputs: ["u"] });
  b.node("Mul", ["u", "w"], {}, { name: "mul", outputs: ["y"] });
  b.output("y", "float32", ["batch", 3, 2]);
  return b.build();
}

Deno.test("only the path from wrt to the seeds is visited", async () => {
  const { nodes, gradients } = await gradientsOf(branching(), ["w"]);
  assert.deepEqual(nodes.map(({ op }) => op), [
    "Mul",
    // Its sum over the broadcast axes.
    "Reshape",
    "Shape",
    "Expand",
    "Reshape",
    "MatMul",
    "Reshape",
  ]);
  assert.deepEqual([...gradients.keys()], ["w"]);
});

Deno.test("an operator without a rule is refused by name, with the reason", async () => {
  await assert.rejects(gradientsOf(branching(), ["x"]), (e: unknown) => {
    assert.ok(e instanceof RavnError);
    assert.match(
      e.message,
      /^no gradient for operator DFT \(opset 17\) at node "odd": a Fourier transform/,
    );
    assert.match(e.message, /; see all operators with: ravn inspect --operators$/);
    return true;
  });
});

Deno.test("a gradient does not end unseen at the integers of a quantized layer", async () => {
  const b = new GraphBuilder("quantized");
  b.input("x", "float32", ["batch", 2]);
  b.initializer("scale", tensor("float32", [], [0.1]));
  b.initializer("w", vector(1, 2));
  b.node("QuantizeLinear", ["x", "scale"], {}, { outputs: ["q"] });
  b.node("DequantizeLinear", ["q", "scale"], {}, { name: "dq", outputs: ["u"] });
  b.output(b.node("Mul", ["u", "w"]), "float32");
  assert.equal((await gradientsOf(b.build(), ["w"])).gradients.size, 1);
  await assert.rejects(gradientsOf(b.build(), ["x"]), /DequantizeLinear .*"dq": quantized: train/);
  const d = new GraphBuilder("dynamic");
  d.input("x", "float32", ["batch", 2]);
  d.initializer("w", tensor("uint8", [2, 2], [1, 2, 3, 4]));
  d.nodes("DynamicQuantizeLinear", ["x"], {}, { outputs: ["q", "scale", "zero"] });
  d.node("MatMulInteger", ["q", "w", "zero"], {}, { outputs: ["product"] });
  d.output(d.node("Cast", ["product"], { to: 1 }), "float32");
  await assert.rejects(gradientsOf(d.build(), ["x"]), /no gradient flows through MatMulInteger/);
});

Deno.test("contributions of several consumers are summed", async () => {
  const b = new GraphBuilder("sum");
  const x = b.input("x", "float32", ["batch", 2]);
  const parts = [b.node("Mul", [x, x]), b.node("Neg", [x]), b.node("Exp", [x]), x];
  b.output(b.node("Sum", parts), "float32");
  const feeds = new Map([["x", tensor("float32", [2, 2], [1, -1, 0.5, 2])]]);
  await checkGradients(b.build(), { feeds, wrt: ["x"], what: "four consumers" });
});

Deno.test("several seeds of one value are summed, and seeds inside the graph count", async () => {
  const b = new GraphBuilder("seeds");
  b.input("x", "float32", ["batch"]);
  b.node("Mul", ["x", "x"], {}, { outputs: ["u"] });
  b.node("Neg", ["u"], {}, { outputs: ["y"] });
  b.output("y", "float32", ["batch"]);
  b.output("u", "float32", ["batch"]);
  const graph = b.build();
  const seeds = new Map([["y", ["s1", "s2"]], ["u", ["s3"]]]);
  const facts = await factsOf(graph);
  const made = differentiate({ graph, facts, seeds, wrt: ["x", "u"] });
  const inputs = ["s1", "s2", "s3"].map((name) => ({ name, dtype: "float32" as const }));
  const outputs = ["x", "u"].map((value) => ({
    name: made.gradients.get(value)!,
    dtype: "float32" as const,
  }));
  const model = {
    ...graph,
    nodes: [...graph.nodes, ...made.nodes],
    inputs: [...graph.inputs, ...inputs],
    outputs,
    initializers: made.initializers,
  };
  const feeds = new Map([["x", 3], ["s1", 1], ["s2", 10], ["s3", 100]].map((
    [name, value],
  ) => [name as string, vector(value as number)]));
  const values = await runtime().evaluate(writeModel(model), feeds);
  // dL/du = −(1 + 10) + 100, dL/dx = 2x dL/du.
  assert.deepEqual(outputs.map(({ name }) => numbers(values.get(name)!)[0]), [6 * 89, 89]);
});

Deno.test("a value on which no seed depends has no gradient", async () => {
  const b = new GraphBuilder("none");
  b.input("x", "float32", ["batch", 3]);
  b.initializer("w", vector(1, 2, 3));
  b.initializer("v", vector(1, 2, 3));
  b.node("Floor", [b.node("Add", ["x", "v"])], {}, { outputs: ["rounded"] });
  b.node("Mul", ["rounded", "w"], {}, { outputs: ["y"] });
  b.node("Mul", ["x", "x"], {}, { outputs: ["other"] });
  b.output("y", "float32", ["batch", 3]);
  b.output("other", "float32", ["batch", 3]);
  const { gradients } = await gradientsOf(b.build(), ["x", "w", "v"]);
  assert.deepEqual([...gradients.keys()], ["w"]);
});

/** Relu and max-pooling; `extra` makes Relu's output a result or gives it another reader. */
function gated(extra: "none" | "output" | "reader" = "none"): Graph {
  const b = new GraphBuilder("gated");
  b.input("x", "float32", ["batch", 2, 4, 4]);
  b.node("Relu", ["x"], {}, { name: "relu", outputs: ["r"] });
  const pool = { kernel_shape: [2, 2], strides: [2, 2] };
  b.node("MaxPool", ["r"], pool, { name: "pool", outputs: ["y"] });
  b.output("y", "float32");
  if (extra === "output") b.output("r", "float32");
  if (extra === "reader") b.output(b.node("Exp", ["r"]), "float32");
  return b.build();
}

Deno.test("the gate of a Relu moves behind max-pooling where nothing else reads it", async () => {
  const x = Array.from({ length: 64 }, (_, i) => Math.sin(i * 7 + 1) * 2);
  const feeds = new Map([["x", tensor("float32", [2, 2, 4, 4], x)]]);
  for (const extra of ["none", "output", "reader"] as const) {
    const graph = gated(extra);
    await checkGradients(graph, { feeds, wrt: ["x"], what: extra, step: 1e-3, tolerance: 0.01 });
    const outputs = graph.outputs.map(({ name }) => name);
    const { nodes } = await gradientsOf(graph, ["x"], outputs);
    const gates = nodes.filter(({ op }) => op === "HardSigmoid").map(({ inputs }) => inputs[0]);
    assert.deepEqual(gates, extra === "none" ? ["y"] : ["r"]);
  }
  const { nodes } = await gradientsOf(gated(), ["x", "r"]);
  const gates = nodes.filter(({ op }) => op === "HardSigmoid").map(({ inputs }) => inputs[0]);
  assert.deepEqual(gates, ["r"], "asked for the gradient of r itself, it may not be gated");
});

Deno.test("forms whose gradient would be wrong are refused", async () => {
  const refused = async (why: RegExp, make: (b: GraphBuilder) => string) => {
    const b = new GraphBuilder("refused");
    b.input("x", "float32", ["batch", 2, 4, 4]);
    b.output(make(b), "float32");
    await assert.rejects(
      gradientsOf(b.build(), ["x"]),
      (e: unknown) => e instanceof RavnError && why.test(e.message),
    );
  };
  await refused(/node "bn" \(BatchNormalization\): put the graph in training form/, (b) => {
    const stored = ["s", "b", "m", "v"].map((name) => b.initializer(name, vector(1, 2)));
    const attributes = { training_mode: 1 };
    return b.nodes("BatchNormalization", ["x", ...stored], attributes, {
      name: "bn",
      outputs: 3,
    })[0]!;
  });
  await refused(/node "drop" \(Dropout\): put the graph in training form/, (b) => {
    const ratio = b.constant(tensor("float32", [], [0.5]));
    const training = b.constant(tensor("bool", [], [1]));
    return b.node("Dropout", ["x", ratio, training], {}, { name: "drop" });
  });
});

Deno.test("new names start with grad. and never clash", async () => {
  const b = new GraphBuilder("clash");
  b.input("x", "float32", ["batch", 3]);
  b.node("Exp", ["x"], {}, { name: "exp", outputs: ["grad.exp.Mul"] });
  b.output("grad.exp.Mul", "float32", ["batch", 3]);
  const { nodes, initializers } = await gradientsOf(b.build(), ["x"]);
  const made = [
    ...nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
    ...initializers.keys(),
  ];
  assert.ok(made.length > 0 && made.every((name) => name.startsWith("grad.")));
  assert.ok(!made.includes("grad.exp.Mul"));
});

Deno.test("equal nodes and constants are emitted once", async () => {
  const b = new GraphBuilder("shared");
  b.input("x", "float32", ["batch", 3]);
  const [u, v] = [b.node("Sigmoid", ["x"]), b.initializer("v", vector(1, 2, 3))];
  b.output(b.node("Add", [b.node("Mul", [u, v]), b.node("Div", [u, v])]), "float32");
  const { nodes } = await gradientsOf(b.build(), ["x", "v"]);
  const identities = nodes.map(({ op, inputs }) => `${op}(${inputs})`);
  assert.equal(new Set(identities).size, identities.length);
});

Deno.test("one graph of gradients serves every batch size", async () => {
  const b = new GraphBuilder("batch");
  b.input("x", "float32", ["batch", 2, 4, 4]);
  b.initializer("w", tensor("float32", [3, 2, 3, 3], Array.from({ length: 54 }, Math.sin)));
  const y = b.node("Conv", ["x", "w"], { pads: [1, 1, 1, 1] });
  const pooled = b.node("MaxPool", [y], { kernel_shape: [2, 2], strides: [2, 2] });
  b.output(b.node("ReduceMean", [b.node("Flatten", [pooled])], { axes: [1] }), "float32");
  const graph = b.build();
  const output = graph.outputs[0]!.name;
  const { graph: whole, gradients, seeds } = gradientGraph(graph, await factsOf(graph), {
    outputs: [output],
    wrt: ["x", "w"],
  });
  using session = await runtime().session(writeModel(whole));
  for (const batch of [1, 2, 5]) {
    const x = Array.from({ length: batch * 32 }, (_, i) => Math.sin(i));
    const values = await session.run(
      new Map([
        ["x", tensor("float32", [batch, 2, 4, 4], x)],
        ["w", graph.initializers.get("w")!],
        [seeds.get(output)!, tensor("float32", [batch, 1], new Array(batch).fill(1))],
      ]),
    );
    assert.deepEqual(values.get(gradients.get("x")!)!.dims, [batch, 2, 4, 4]);
    assert.deepEqual(values.get(gradients.get("w")!)!.dims, [3, 2, 3, 3]);
  }
});
