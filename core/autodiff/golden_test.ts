import assert from "node:assert/strict";
import {
  type AttributeValue,
  dimsAt,
  type Graph,
  GraphBuilder,
  numbers,
  type Tensor,
  traceFacts,
  writeModel,
} from "../onnx/mod.ts";
import { assertClose, differentiatedIn, goldenCases } from "./golden_cases_test.ts";
import { gradientGraph } from "./gradient_graph.ts";
import { runtime } from "./rules/gradient_check_test.ts";
import { trainingForm, type TrainingGraph } from "./training_form.ts";

/** What PyTorch computed; `make_golden.py` beside the file says what each tensor is. */
const FILE = "autodiff/gradients.safetensors";

type Attributes = Readonly<Record<string, AttributeValue>>;

/** Adds the layers of a case to a builder in which its tensors exist; returns the output. */
type Layers = (b: GraphBuilder, golden: ReadonlyMap<string, Tensor>) => string;

const layer = (op: string, inputs: string[], attributes: Attributes = {}): Layers => (b) =>
  b.node(op, inputs, attributes);

const conv = (attributes: Attributes = {}): Layers => (b, golden) =>
  b.node("Conv", golden.has("b") ? ["x", "w", "b"] : ["x", "w"], attributes);

/** A BatchNormalization as a model file has it, with running statistics of a new network. */
function norm(b: GraphBuilder, x: string, scale: string, bias: string, channels: number): string {
  const stored = [0, 1].map((value, i) =>
    b.initializer(`${scale}.running_${i}`, filled(channels, value))
  );
  return b.node("BatchNormalization", [x, scale, bias, ...stored], {
    epsilon: 1e-5,
    momentum: Math.fround(0.9),
  });
}

function filled(count: number, value: number): Tensor {
  const bytes = new Uint8Array(new Float32Array(count).fill(value).buffer);
  return { dtype: "float32", dims: [count], bytes };
}

const batchNorm: Layers = (b, golden) =>
  norm(b, "x", "weight", "bias", golden.get("weight")!.dims[0]!);

const residual: Layers = (b) => {
  const first = b.node("Conv", ["x", "w1"], { strides: [2, 2], pads: [1, 1, 1, 1] });
  const inner = b.node("Relu", [norm(b, first, "g1", "b1", 8)]);
  const second = norm(b, b.node("Conv", [inner, "w2"], { pads: [1, 1, 1, 1] }), "g2", "b2", 8);
  const shortcut = b.node("Conv", ["x", "w3"], { strides: [2, 2] });
  return b.node("Relu", [b.node("Add", [second, shortcut])]);
};

/** x Wᵀ + b of a stack of rows, as exporters write it. */
const linear3d: Layers = (b) => {
  const turned = b.node("Transpose", ["weight"], { perm: [1, 0] });
  return b.node("Add", [b.node("MatMul", ["x", turned]), "bias"]);
};

const overlapping = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
const halving = { kernel_shape: [2, 2], strides: [2, 2] };
const padded = { pads: [1, 1, 1, 1] };

const CASES: Readonly<Record<string, Layers>> = {
  conv_plain: conv(),
  conv_padding: conv(padded),
  conv_small_map: conv(padded),
  conv_many_channels: conv(padded),
  conv_stride: conv({ strides: [2, 2], ...padded }),
  conv_group: conv({ group: 2, ...padded }),
  conv_dilation: conv({ dilations: [2, 2], pads: [2, 2, 2, 2] }),
  conv_depthwise: conv({ group: 4, ...padded }),
  conv_pointwise: conv(),
  conv_1d: conv({ strides: [2], pads: [2, 2] }),
  linear: layer("Gemm", ["x", "weight", "bias"], { transB: 1 }),
  linear_3d: linear3d,
  batch_norm_1d: batchNorm,
  batch_norm_2d: batchNorm,
  batch_norm_2d_large_map: batchNorm,
  max_pool: layer("MaxPool", ["x"], halving),
  max_pool_overlapping: layer("MaxPool", ["x"], overlapping),
  average_pool: layer("AveragePool", ["x"], halving),
  average_pool_overlapping_0: layer("AveragePool", ["x"], overlapping),
  average_pool_overlapping_1: layer("AveragePool", ["x"], { ...overlapping, count_include_pad: 1 }),
  softmax: layer("Softmax", ["x"], { axis: -1 }),
  log_softmax: layer("LogSoftmax", ["x"], { axis: 1 }),
  gelu: layer("Gelu", ["x"]),
  layer_norm: layer("LayerNormalization", ["x", "weight", "bias"]),
  residual,
};

async function trainingGraphOf(
  layers: Layers,
  golden: ReadonlyMap<string, Tensor>,
): Promise<TrainingGraph> {
  const builder = new GraphBuilder("golden", 20);
  builder.input("x", "float32", ["batch", ...golden.get("x")!.dims.slice(1)]);
  for (const name of differentiatedIn(golden)) {
    if (name !== "x") builder.initializer(name, golden.get(name)!);
  }
  builder.output(layers(builder, golden), "float32");
  const graph = builder.build();
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 3 });
  return trainingForm(graph, facts, { statistics: true, maskAs: "input" });
}

/** Running statistics after one step, from those of a new network. */
function checkRunning(
  training: TrainingGraph,
  values: ReadonlyMap<string, Tensor>,
  golden: ReadonlyMap<string, Tensor>,
  what: string,
): void {
  for (const { batch, kind, momentum, count } of training.statistics) {
    const expected = golden.get(`running.${kind}`);
    if (expected === undefined) continue;
    const n = dimsAt([count], golden.get("x")!.dims[0]!)[0]!;
    const old = kind === "mean" ? 0 : 1;
    const unbiased = kind === "mean" ? 1 : n / (n - 1);
    const updated = numbers(values.get(batch)!).map(
      (value) => (1 - momentum) * old + momentum * unbiased * value,
    );
    const bytes = new Uint8Array(Float32Array.from(updated).buffer);
    assertClose({ ...expected, bytes }, expected, `${what}: running ${kind}`, { floor: 1 });
  }
}

Deno.test("gradients and running statistics are those of PyTorch", async (t) => {
  const cases = await goldenCases(FILE);
  assert.deepEqual([...cases.keys()].sort(), Object.keys(CASES).sort());
  for (const [title, layers] of Object.entries(CASES)) {
    const golden = cases.get(title)!;
    await t.step(title, async () => {
      const training = await trainingGraphOf(layers, golden);
      const { graph, facts, statistics } = training;
      const [{ name: y }] = graph.outputs as [Graph["outputs"][number]];
      const wrt = differentiatedIn(golden);
      const whole = gradientGraph(graph, facts, { outputs: [y], wrt });
      const feeds = new Map(wrt.map((name) => [name, golden.get(name)!]));
      feeds.set(whole.seeds.get(y)!, golden.get("seed")!);
      const shown = statistics.map(({ batch }) => ({ name: batch, dtype: "float32" as const }));
      const model = { ...whole.graph, outputs: [...whole.graph.outputs, ...shown] };
      const values = await runtime().evaluate(writeModel(model), feeds);
      assertClose(values.get(y)!, golden.get("y")!, `${title}: y`);
      for (const name of wrt) {
        const gradient = values.get(whole.gradients.get(name)!)!;
        // Behind a batch norm the gradient of a bias is a sum of rounding errors, hence the floor.
        assertClose(gradient, golden.get(`grad.${name}`)!, `${title}: d/d${name}`, { floor: 0.1 });
      }
      checkRunning(training, values, golden, title);
    });
  }
});
