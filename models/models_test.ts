import assert from "node:assert/strict";
import {
  elementCount,
  type Graph,
  numbers,
  readModel,
  type Tensor,
  tensor,
  traceFacts,
  writeModel,
} from "../core/onnx/mod.ts";
import { modelState } from "../core/planning/mod.ts";
import { Random } from "../core/random.ts";
import { Runtime } from "../core/runtime/mod.ts";
import {
  bert,
  BERT_SIZES,
  type BertSize,
  digitsCnn,
  type ExampleInput,
  exampleNamed,
  EXAMPLES,
  fourier,
  gpt,
  GPT_SIZES,
  type GptSize,
  inceptionV3,
  lenet,
  mlp,
  mnistCnn,
  mobilenetV2,
  Network,
  residual,
  resnet18,
  resnet50,
} from "./mod.ts";

/** Examples that build and run in a fraction of a second. */
const SMALL = EXAMPLES.filter(({ large }) => large !== true);

/** Weights that training changes. */
function parameterCount(graph: Graph): number {
  return modelState(graph).trainable
    .reduce((sum, name) => sum + elementCount(graph.initializers.get(name)!.dims), 0);
}

/** One batch of noise, or of tokens. */
function madeUp({ shape, below }: ExampleInput, batch: number): Tensor {
  const dims = [batch, ...shape];
  const random = new Random(batch);
  const draw = () => below === undefined ? random.normal() : random.integer(below);
  return tensor(
    below === undefined ? "float32" : "int64",
    dims,
    Array.from({ length: elementCount(dims) }, draw),
  );
}

Deno.test("the networks have the parameters that their descriptions say", () => {
  for (const { name, describe, build } of SMALL) {
    const count = parameterCount(build({ seed: 1 }));
    assert.ok(describe.includes(`${count.toLocaleString("en")} parameters`), `${name}: ${count}`);
  }
  assert.equal(new Set(EXAMPLES.map(({ name }) => name)).size, EXAMPLES.length);
  assert.equal(exampleNamed("vgg"), undefined);
});

Deno.test("the networks have the published numbers of parameters", () => {
  assert.equal(parameterCount(resnet18({ seed: 1 })), 11_689_512);
  assert.equal(parameterCount(resnet50({ seed: 1 })), 25_557_032);
  assert.equal(parameterCount(mobilenetV2({ seed: 1 })), 3_504_872);
  assert.equal(parameterCount(inceptionV3({ seed: 1 })), 23_834_568);
  assert.equal(parameterCount(inceptionV3({ seed: 1, aux: true })), 27_161_264);
  assert.equal(parameterCount(mnistCnn({ seed: 1 })), 28_440);
});

/** Two linear layers and two norms a layer, with the projections of attention. */
function transformerCount(layers: number, width: number, inner: number): number {
  return layers * (4 * width * (width + 1) + inner * (width + 1) + width * (inner + 1) + 4 * width);
}

Deno.test("GPT has minGPT's numbers of parameters, with the last layer tied GPT-2's", () => {
  const count = (size: GptSize, vocabulary: number, block: number) =>
    transformerCount(size.layers, size.width, 4 * size.width) + 2 * size.width +
    (vocabulary + block) * size.width;
  for (const size of [GPT_SIZES.nano, GPT_SIZES.micro]) {
    const options = { seed: 1, ...size, vocabulary: 50, block: 20 };
    assert.equal(parameterCount(gpt({ ...options, tied: true })), count(size, 50, 20));
    assert.equal(parameterCount(gpt(options)), count(size, 50, 20) + 50 * size.width);
  }
  const published = { gpt2: 124_439_808, gpt2_medium: 354_823_168, gpt2_xl: 1_557_611_200 };
  for (const [name, parameters] of Object.entries(published)) {
    const size = GPT_SIZES[name as keyof typeof published];
    assert.equal(count(size, 50257, 1024), parameters, name);
  }
});

Deno.test("BERT's encoder has the published number of parameters", () => {
  const encoder = ({ layers, width, inner }: BertSize, vocabulary: number, places: number) =>
    transformerCount(layers, width, inner) + (vocabulary + places + 2 + 2) * width +
    width * (width + 1);
  const heads = (width: number, vocabulary: number) =>
    width * (width + 1) + 2 * width + vocabulary + 2 * (width + 1);
  const { tiny, base } = BERT_SIZES;
  const built = bert({ seed: 1, ...tiny, vocabulary: 99, places: 33 });
  assert.equal(parameterCount(built), encoder(tiny, 99, 33) + heads(tiny.width, 99));
  assert.equal(encoder(base, 30522, 512), 109_482_240);
  assert.equal(encoder(tiny, 30522, 512), 4_385_920);
});

Deno.test("the same seed gives the same bytes, another one others", () => {
  for (const { name, build } of SMALL) {
    const bytes = writeModel(build({ seed: 7 }));
    assert.deepEqual(writeModel(build({ seed: 7 })), bytes, name);
    assert.notDeepEqual(writeModel(build({ seed: 8 })), bytes, name);
  }
});

Deno.test("every network runs with 1 and with 3 samples, as written and read again", async () => {
  using runtime = Runtime.open();
  for (const { name, build, inputs, outputs } of SMALL) {
    const graph = build({ seed: 3 });
    const model = writeModel(graph);
    assert.deepEqual(readModel(model, { file: name }), graph);
    for (const batch of [1, 3]) {
      const feeds = inputs.map((input): [string, Tensor] => [input.name, madeUp(input, batch)]);
      const values = await runtime.evaluate(model, new Map(feeds));
      for (const { name: output, shape } of outputs) {
        const y = values.get(output)!;
        assert.deepEqual(y.dims, [batch, ...shape], name);
        assert.ok(numbers(y).every(Number.isFinite), name);
      }
    }
  }
});

Deno.test("the batch can be traced through every network", async () => {
  using runtime = Runtime.open();
  for (const { name, build, inputs, outputs } of SMALL) {
    const facts = await traceFacts(build({ seed: 3 }), runtime.evaluate, { batch: 2 });
    for (const { name: value, shape } of [...inputs, ...outputs]) {
      assert.deepEqual(facts.get(value)!.dims, [{ perSample: 1 }, ...shape], name);
    }
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

/** Standard deviation of a parameter about 0. */
function deviation({ initializers }: Graph, name: string): number {
  const values = numbers(initializers.get(name)!);
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum / values.length);
}

function assertNear(value: number, expected: number, what: string): void {
  assert.ok(Math.abs(value / expected - 1) < 0.05, `${what}: ${value}, expected ${expected}`);
}

Deno.test("large networks start as they were published", () => {
  const resnet = resnet18({ seed: 2, width: 16 });
  assertNear(deviation(resnet, "layer3.0.conv2.weight"), Math.sqrt(2 / (64 * 9)), "fan_out");
  const mobile = mobilenetV2({ seed: 2 });
  assertNear(
    deviation(mobile, "features.5.conv.1.0.weight"),
    Math.sqrt(2 / (192 * 9)),
    "depthwise",
  );
  assertNear(deviation(mobile, "classifier.1.weight"), 0.01, "classifier");
  const inception = inceptionV3({ seed: 2, width: 1 / 4 });
  assertNear(deviation(inception, "Mixed_6c.branch7x7_2.conv.weight"), 0.1, "inception");
  const { nano } = GPT_SIZES;
  const small = gpt({ seed: 2, ...nano, vocabulary: 300, block: 30 });
  assertNear(deviation(small, "transformer.wte.weight"), 0.02, "embedding");
  const branch = 0.02 / Math.sqrt(2 * nano.layers);
  for (const end of ["attn.c_proj", "mlp.c_proj"]) {
    assertNear(deviation(small, `transformer.h.1.${end}.weight`), branch, end);
    assert.equal(deviation(small, `transformer.h.1.${end}.bias`), 0);
  }
  assertNear(deviation(fourier({ seed: 2 }), "seq.0.linear.weight"), Math.sqrt(2 / 256), "sine");
});

/** The largest change of each place of an output [1, places, width]. */
function changes(before: Tensor, after: Tensor): number[] {
  const [, places = 0, width = 0] = before.dims;
  const [a, b] = [numbers(before), numbers(after)];
  return Array.from({ length: places }, (_, place) => {
    let largest = 0;
    for (let i = place * width; i < (place + 1) * width; i++) {
      largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
    }
    return largest;
  });
}

Deno.test("GPT sees no token that comes later", async () => {
  using runtime = Runtime.open();
  const model = writeModel(
    gpt({ seed: 1, ...GPT_SIZES.nano, vocabulary: 9, block: 8, sequence: 6 }),
  );
  const run = async (tokens: number[]) =>
    (await runtime.evaluate(model, new Map([["input", tensor("int64", [1, 6], tokens)]])))
      .get("output")!;
  const moved = changes(await run([1, 2, 3, 4, 5, 6]), await run([1, 2, 3, 8, 5, 6]));
  assert.ok(moved.slice(0, 3).every((change) => change === 0), `${moved}`);
  assert.ok(moved.slice(3).every((change) => change > 1e-4), `${moved}`);
  assert.throws(
    () => gpt({ seed: 1, ...GPT_SIZES.nano, vocabulary: 9, block: 8, sequence: 9 }),
    RangeError,
  );
});

Deno.test("BERT does not look at places without a token", async () => {
  using runtime = Runtime.open();
  const graph = bert({ seed: 1, ...BERT_SIZES.tiny, vocabulary: 9, places: 8, sequence: 4 });
  const model = writeModel(graph);
  const row = (values: number[]) => tensor("int64", [1, 4], values);
  const run = (ids: number[], seen: number[]) =>
    runtime.evaluate(
      model,
      new Map([
        ["input_ids", row(ids)],
        ["token_type_ids", row([0, 0, 1, 1])],
        ["attention_mask", row(seen)],
      ]),
    );
  for (const [seen, looks] of [[[1, 1, 1, 1], true], [[1, 1, 1, 0], false]] as const) {
    const [a, b] = [await run([1, 2, 3, 4], [...seen]), await run([1, 2, 3, 7], [...seen])];
    const moved = changes(a.get("prediction_logits")!, b.get("prediction_logits")!);
    assert.equal(moved.slice(0, 3).every((change) => change > 1e-5), looks, `${moved}`);
    assert.equal(moved.slice(0, 3).every((change) => change === 0), !looks, `${moved}`);
  }
});

Deno.test("sizes that a network cannot take are named", () => {
  assert.throws(() => inceptionV3({ seed: 1, size: 64 }), /images of 32, or 75 and more; got 64/);
  assert.throws(() => inceptionV3({ seed: 1, size: 75, aux: true }), RangeError);
  assert.throws(() => bert({ seed: 1, ...BERT_SIZES.tiny, places: 8, sequence: 9 }), RangeError);
  assert.throws(() => fourier({ seed: 1, widths: [2, 1] }), RangeError);
});
