import assert from "node:assert/strict";
import {
  type AttributeValue,
  GraphBuilder,
  type Tensor,
  tensor,
  traceFacts,
  writeModel,
} from "../onnx/mod.ts";
import { decomposed } from "./decompose.ts";
import { float } from "./emit.ts";
import { assertClose, differentiatedIn, type Golden, goldenCases } from "./golden_cases_test.ts";
import { gradientGraph } from "./gradient_graph.ts";
import { runtime } from "./rules/gradient_check_test.ts";

/** What PyTorch computed; `make_layers.py` beside the file says what each tensor is. */
const FILE = "layers/layers.safetensors";

const CLOSE = { tolerance: 5e-6, floor: 1 };

type Attributes = Readonly<Record<string, AttributeValue>>;

/** Adds the layer to a builder in which the case's operands exist; returns the output. */
interface Layer {
  readonly opset?: number;
  /** The operands that are inputs of the graph, x if absent; the others are parameters. */
  readonly inputs?: readonly string[];
  readonly add: (b: GraphBuilder, golden: Golden) => string;
}

const operator = (op: string, opset: number, attributes: Attributes = {}): Layer => ({
  opset,
  add: (b, golden) => b.node(op, differentiatedIn(golden), attributes),
});

const attention = (attributes: Attributes = {}): Layer => ({
  opset: 23,
  inputs: ["q", "k", "v", "mask"],
  add: (b, golden) => b.node("Attention", differentiatedIn(golden), attributes),
});

/** Rotations at the positions 0, 1, 2 of two pairs of elements. */
const rotary: Layer = {
  opset: 23,
  inputs: [],
  add: (b) => {
    const angles = [0, 1, 2].flatMap((position) => [position, position * 0.01]);
    const table = (name: string, f: (x: number) => number) =>
      b.initializer(name, tensor("float32", [3, 2], angles.map(f)));
    const positions = b.initializer("positions", tensor("int64", [2, 3], [0, 1, 2, 0, 1, 2]));
    const tables = [table("cosines", Math.cos), table("sines", Math.sin)];
    return b.node("RotaryEmbedding", ["x", ...tables, positions]);
  },
};

/** A recurrent layer as PyTorch exports one with the batch in front. */
const recurrent = (op: string, attributes: Attributes = {}): Layer => ({
  add: (b, golden) => {
    const directions = golden.get("w")!.dims[0]!;
    const turned = b.node("Transpose", ["x"], { perm: [1, 0, 2] });
    const y = b.node(op, [turned, "w", "r", "b"], {
      hidden_size: 3,
      direction: directions === 2 ? "bidirectional" : "forward",
      ...attributes,
    });
    const joined = b.node("Transpose", [y], { perm: [2, 0, 1, 3] });
    const shape = b.constant(tensor("int64", [3], [0, 0, -1]));
    return b.node("Reshape", [joined, shape]);
  },
});

const crossEntropy = (weighted: boolean): Layer => ({
  inputs: [],
  add: (b) => {
    const labels = b.initializer("labels", tensor("int64", [2, 3], [1, 3, 0, -100, 2, 1]));
    const classes = tensor("float32", [4], [0.5, 1.5, 1, 2]);
    const weights = weighted ? [b.initializer("classes", classes)] : [];
    const attributes = { ignore_index: -100 };
    return b.node("SoftmaxCrossEntropyLoss", ["x", labels, ...weights], attributes);
  },
});

const embedding: Layer = {
  add: (b) => {
    const taken = tensor("int64", [2, 4], [7, 0, 7, 65, 99, 7, 0, 7]);
    return b.node("Gather", ["w", b.initializer("taken", taken)]);
  },
};

const CASES: Readonly<Record<string, Layer>> = {
  group_norm: operator("GroupNormalization", 21, { num_groups: 3 }),
  instance_norm: operator("InstanceNormalization", 17),
  layer_norm_2d: operator("LayerNormalization", 17),
  layer_norm_4d: operator("LayerNormalization", 17),
  layer_norm_two_axes: operator("LayerNormalization", 17, { axis: 1 }),
  layer_norm_plain: operator("LayerNormalization", 17),
  rms_norm: operator("RMSNormalization", 23),
  local_response_norm: operator("LRN", 17, {
    size: 3,
    alpha: 0.4,
    beta: 0.75,
    bias: float(2),
  }),
  attention: attention(),
  attention_causal: attention({ is_causal: 1 }),
  attention_mask: attention(),
  rotary,
  lstm: recurrent("LSTM"),
  lstm_both_ways: recurrent("LSTM"),
  gru: recurrent("GRU", { linear_before_reset: 1 }),
  gru_both_ways: recurrent("GRU", { linear_before_reset: 1 }),
  rnn: recurrent("RNN"),
  rnn_both_ways: recurrent("RNN"),
  cross_entropy: crossEntropy(false),
  cross_entropy_weighted: crossEntropy(true),
  embedding,
};

async function check(title: string, golden: Golden, layer: Layer): Promise<void> {
  const keys = differentiatedIn(golden);
  const b = new GraphBuilder(title, layer.opset ?? 17);
  const feeds = new Map<string, Tensor>();
  for (const key of keys) {
    const value = golden.get(key)!;
    feeds.set(key, value);
    const isInput = (layer.inputs ?? ["x"]).includes(key);
    if (isInput) b.input(key, "float32", value.dims);
    else b.initializer(key, value);
  }
  b.node("Identity", [layer.add(b, golden)], {}, { outputs: ["out"] });
  b.output("out", "float32");
  const graph = b.build();
  const traced = await traceFacts(graph, runtime().evaluate, { batch: 2, inputs: feeds });
  const plain = decomposed(graph, traced);
  const facts = await traceFacts(plain, runtime().evaluate, { batch: 2, inputs: feeds });
  const whole = gradientGraph(plain, facts, { outputs: ["out"], wrt: keys });
  feeds.set(whole.seeds.get("out")!, golden.get("seed")!);
  const values = await runtime().evaluate(writeModel(whole.graph), feeds);
  assertClose(values.get("out")!, golden.get("y")!, `${title}: y`, CLOSE);
  for (const key of keys) {
    const gradient = values.get(whole.gradients.get(key)!)!;
    assertClose(gradient, golden.get(`grad.${key}`)!, `${title}: d/d${key}`, CLOSE);
  }
}

Deno.test("gradients of norms, attention and recurrent layers are those of PyTorch", async (t) => {
  const cases = await goldenCases(FILE);
  assert.deepEqual([...cases.keys()].sort(), Object.keys(CASES).sort());
  for (const [title, layer] of Object.entries(CASES)) {
    await t.step(title, () => check(title, cases.get(title)!, layer));
  }
});
