import assert from "node:assert/strict";
import {
  elementCount,
  type Graph,
  isFloat,
  numbers,
  readModel,
  tensor,
  traceFacts,
  writeModel,
} from "../core/onnx/mod.ts";
import { Runtime } from "../core/runtime/mod.ts";
import { digitsCnn, exampleNamed, EXAMPLES, lenet, mlp, Network, residual } from "./mod.ts";

/** Float initializers that training changes: all but running statistics and dropout ratios. */
function parameters(graph: Graph): string[] {
  return [...graph.initializers]
    .filter(([name, { dtype }]) => isFloat(dtype) && !/\.(running_\w+|ratio)$/.test(name))
    .map(([name]) => name);
}

function parameterCount(graph: Graph): number {
  return parameters(graph)
    .reduce((sum, name) => sum + elementCount(graph.initializers.get(name)!.dims), 0);
}

Deno.test("the networks have the parameters that their descriptions say", () => {
  const counts = { digits_cnn: 16_426, mlp: 1_863_690, lenet: 61_706, residual: 5_122 };
  assert.deepEqual(EXAMPLES.map(({ name }) => name), Object.keys(counts));
  for (const [name, count] of Object.entries(counts)) {
    const example = exampleNamed(name)!;
    assert.equal(parameterCount(example.build({ seed: 1 })), count, name);
    assert.ok(example.describe.includes(count.toLocaleString("en")), name);
  }
  assert.equal(exampleNamed("vgg"), undefined);
});

Deno.test("the same seed gives the same bytes, another one others", () => {
  for (const { name, build } of EXAMPLES) {
    const bytes = writeModel(build({ seed: 7 }));
    assert.deepEqual(writeModel(build({ seed: 7 })), bytes, name);
    assert.notDeepEqual(writeModel(build({ seed: 8 })), bytes, name);
  }
});

Deno.test("every network runs with 1 and with 64 samples, as written and read again", async () => {
  using runtime = Runtime.open();
  for (const { name, build, input, classes } of EXAMPLES) {
    const graph = build({ seed: 3 });
    const model = writeModel(graph);
    assert.deepEqual(readModel(model, { file: name }), graph);
    for (const batch of [1, 64]) {
      const dims = [batch, ...input];
      const x = tensor("float32", dims, new Float32Array(elementCount(dims)).fill(0.5));
      const y = (await runtime.evaluate(model, new Map([["input", x]]))).get("output")!;
      assert.deepEqual(y.dims, [batch, classes], name);
      assert.ok(numbers(y).every(Number.isFinite), name);
    }
  }
});

Deno.test("the batch can be traced through every network", async () => {
  using runtime = Runtime.open();
  for (const { name, build, input, classes } of EXAMPLES) {
    const facts = await traceFacts(build({ seed: 3 }), runtime.evaluate, { batch: 2 });
    assert.deepEqual(facts.get("input")!.dims, [{ perSample: 1 }, ...input], name);
    assert.deepEqual(facts.get("output")!.dims, [{ perSample: 1 }, classes], name);
  }
});

Deno.test("the digits CNN is the walkthrough's, layer by layer", async () => {
  using runtime = Runtime.open();
  const graph = digitsCnn({ seed: 42 });
  assert.deepEqual(
    graph.nodes.map(({ name, op }) => `${name}:${op}`).join(" "),
    "conv2d_1:Conv act_1:Relu maxpool2d_1:MaxPool drp_1:Dropout bn_1:BatchNormalization " +
      "maxpool2d_2:MaxPool conv2d_2:Conv act_2:Relu maxpool2d_3:MaxPool drp_2:Dropout " +
      "bn_2:BatchNormalization flatten:Flatten dense_1:Gemm act_3:Relu drp_3:Dropout " +
      "bn_3:BatchNormalization dense_2:Gemm act_4:Softmax",
  );
  const shapes = Object.fromEntries(
    [...graph.initializers].map(([name, { dims }]) => [name, dims.join("x")]),
  );
  const norm = (name: string, width: string) =>
    Object.fromEntries(
      ["weight", "bias", "running_mean", "running_var"].map((key) => [`${name}.${key}`, width]),
    );
  assert.deepEqual(shapes, {
    "conv2d_1.weight": "16x1x3x3",
    "conv2d_1.bias": "16",
    "drp_1.ratio": "",
    ...norm("bn_1", "16"),
    "conv2d_2.weight": "32x16x3x3",
    "conv2d_2.bias": "32",
    "drp_2.ratio": "",
    ...norm("bn_2", "32"),
    "dense_1.weight": "256x32",
    "dense_1.bias": "256",
    "drp_3.ratio": "",
    ...norm("bn_3", "256"),
    "dense_2.weight": "10x256",
    "dense_2.bias": "10",
  });
  const ratios = ["drp_1", "drp_2", "drp_3"].map((name) =>
    numbers(graph.initializers.get(`${name}.ratio`)!)[0]
  );
  assert.deepEqual(ratios, [0.25, 0.25, 0.4].map(Math.fround));
  const facts = await traceFacts(graph, runtime.evaluate, { batch: 2 });
  const perSample = ["conv2d_1", "maxpool2d_1", "conv2d_2", "maxpool2d_3", "flatten", "dense_1"]
    .map((name) => facts.get(`${name}_out`)!.dims.slice(1));
  assert.deepEqual(perSample, [[16, 8, 8], [16, 4, 4], [32, 2, 2], [32, 1, 1], [32], [256]]);
  const x = tensor("float32", [3, 1, 8, 8], Float32Array.from({ length: 192 }, (_, i) => i % 17));
  const y = await runtime.evaluate(writeModel(graph), new Map([["input", x]]));
  const probabilities = [...numbers(y.get("output")!)];
  for (let row = 0; row < 3; row++) {
    const sum = probabilities.slice(row * 10, row * 10 + 10).reduce((a, b) => a + b);
    assert.ok(Math.abs(sum - 1) < 1e-6);
  }
});

Deno.test("initial values are uniform within 1/√fan_in, batch norm starts as the identity", () => {
  const { initializers } = lenet({ seed: 5 });
  const cases: [string, number][] = [
    ["conv1", 25],
    ["conv2", 6 * 25],
    ["fc1", 400],
    ["fc2", 120],
    ["fc3", 84],
  ];
  for (const [layer, fanIn] of cases) {
    const bound = 1 / Math.sqrt(fanIn);
    for (const key of ["weight", "bias"]) {
      const values = numbers(initializers.get(`${layer}.${key}`)!);
      assert.ok(values.every((v) => Math.abs(v) <= bound), `${layer}.${key}`);
      assert.ok(values.some((v) => v > 0) && values.some((v) => v < 0), `${layer}.${key}`);
    }
  }
  // A uniform distribution over (-b, b) has the variance b²/3.
  const weights = [...numbers(initializers.get("fc1.weight")!)];
  const variance = weights.reduce((sum, v) => sum + v * v, 0) / weights.length;
  assert.ok(Math.abs(variance * 3 * 400 - 1) < 0.02);
  const norm = digitsCnn({ seed: 5 }).initializers;
  const starts = { weight: 1, bias: 0, running_mean: 0, running_var: 1 };
  for (const [key, start] of Object.entries(starts)) {
    assert.ok(numbers(norm.get(`bn_3.${key}`)!).every((v) => v === start), key);
  }
});

Deno.test("an MLP has any widths from two on", () => {
  const graph = mlp({ seed: 1, widths: [4, 3] });
  assert.deepEqual(graph.nodes.map(({ op }) => op), ["Gemm"]);
  assert.equal(parameterCount(mlp({ seed: 1, widths: [4, 3, 2] })), 4 * 3 + 3 + 3 * 2 + 2);
  assert.throws(() => mlp({ seed: 1, widths: [4] }), RangeError);
});

Deno.test("the residual network has an identity shortcut and a strided projection", () => {
  const graph = residual({ seed: 1 });
  const adds = graph.nodes.filter(({ op }) => op === "Add").map(({ inputs }) => inputs);
  assert.deepEqual(adds, [
    ["layer1.0.bn2_out", "relu_out"],
    ["layer2.0.bn2_out", "layer2.0.downsample.1_out"],
  ]);
  const projection = graph.nodes.find(({ name }) => name === "layer2.0.downsample.0")!;
  assert.deepEqual(projection.attributes["strides"], { type: "ints", value: [2, 2] });
  assert.deepEqual(graph.initializers.get("layer2.0.downsample.0.weight")!.dims, [16, 8, 1, 1]);
  assert.ok(!graph.initializers.has("conv1.bias"));
});

Deno.test("a parameter depends on seed and name, not on the layers before it", () => {
  const alone = new Network("alone", 9);
  const y = alone.linear("fc2", alone.input([3]), 3, 2);
  const { initializers } = alone.build(y, [2]);
  const both = mlp({ seed: 9, widths: [4, 3, 2] }).initializers;
  assert.deepEqual(initializers.get("fc2.weight"), both.get("fc2.weight"));
});
