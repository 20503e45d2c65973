import assert from "node:assert/strict";
import {
  type AttributeValue,
  GraphBuilder,
  int64s,
  type Tensor,
  traceFacts,
  writeModel,
} from "../../onnx/mod.ts";
import { float } from "../emit.ts";
import { assertClose, differentiatedIn, type Golden, goldenCases } from "../golden_cases_test.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { runtime } from "./gradient_check_test.ts";

/** What PyTorch computed; `make_activations.py` beside the file says what each tensor is. */
const FILE = "activations/activations.safetensors";

/** Where a case names none. */
const OPSETS = [13, 17, 22];

const CLOSE = { tolerance: 2e-6, floor: 1 };

/** The operator that does what the function of PyTorch does. */
interface Equal {
  readonly op: string;
  readonly domain?: string;
  readonly opsets?: readonly number[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Inputs after the operands of the case. */
  readonly more?: readonly Tensor[];
  /** Shape in which an operand stands in the model, by its place, if not that of PyTorch. */
  readonly shapes?: readonly (readonly number[] | undefined)[];
}

const reduction = (op: string, keepdims: number): Equal =>
  keepdims === 1
    ? { op, opsets: [18, 22], attributes: { keepdims }, more: [int64s([0, -1])] }
    : { op, opsets: [11, 12], attributes: { keepdims, axes: [0, 2] } };

const reductions: [name: string, op: string][] = [
  ["l1", "ReduceL1"],
  ["l2", "ReduceL2"],
  ["log_sum_exp", "ReduceLogSumExp"],
  ["log_sum", "ReduceLogSum"],
  ["sum_square", "ReduceSumSquare"],
  ["mean", "ReduceMean"],
  ["max", "ReduceMax"],
  ["min", "ReduceMin"],
];

const alpha = (value: number) => ({ alpha: float(value) });
const alongLast = { attributes: { axes: [2], keepdims: 0 }, opsets: [11, 13, 17] };
const scalar = (value: number): Tensor => ({
  dtype: "float32",
  dims: [],
  bytes: new Uint8Array(Float32Array.of(value).buffer),
});

const CASES: Readonly<Record<string, Equal>> = {
  acos: { op: "Acos" },
  acosh: { op: "Acosh" },
  asin: { op: "Asin" },
  asinh: { op: "Asinh" },
  atan: { op: "Atan" },
  atanh: { op: "Atanh" },
  cosh: { op: "Cosh" },
  sinh: { op: "Sinh" },
  tan: { op: "Tan" },
  sin: { op: "Sin" },
  cos: { op: "Cos" },
  erf: { op: "Erf" },
  exp: { op: "Exp" },
  log: { op: "Log" },
  sqrt: { op: "Sqrt" },
  abs: { op: "Abs" },
  relu: { op: "Relu" },
  leaky_relu: { op: "LeakyRelu", attributes: alpha(0.2) },
  threshold: { op: "ThresholdedRelu", attributes: alpha(0.7) },
  hard_shrink: { op: "Shrink", attributes: { lambd: float(0.6) } },
  soft_shrink: { op: "Shrink", attributes: { lambd: float(0.6), bias: float(0.6) } },
  elu: { op: "Elu", attributes: alpha(0.7) },
  celu: { op: "Celu", attributes: alpha(1.7) },
  selu: { op: "Selu" },
  sigmoid: { op: "Sigmoid" },
  tanh: { op: "Tanh" },
  softplus: { op: "Softplus" },
  softsign: { op: "Softsign" },
  hard_sigmoid: { op: "HardSigmoid", attributes: alpha(1 / 6) },
  hard_swish: { op: "HardSwish", opsets: [14, 22] },
  silu: { op: "Swish", opsets: [24] },
  mish: { op: "Mish", opsets: [18, 22] },
  gelu: { op: "Gelu", opsets: [20, 22] },
  gelu_tanh: { op: "Gelu", opsets: [20, 22], attributes: { approximate: "tanh" } },
  quick_gelu: { op: "QuickGelu", domain: "com.microsoft" },
  prelu: { op: "PRelu", shapes: [undefined, [3, 1]] },
  ...Object.fromEntries(
    reductions.flatMap(([name, op]) =>
      [0, 1].map((keepdims) => [`${name}_keep_${keepdims}`, reduction(op, keepdims)])
    ),
  ),
  prod: { op: "ReduceProd", ...alongLast },
  max_ties: { op: "ReduceMax", ...alongLast },
  l2_zero: { op: "ReduceL2", ...alongLast },
  maximum: { op: "Max" },
  minimum_ties: { op: "Min" },
  fmod: { op: "Mod", attributes: { fmod: 1 } },
  pow: { op: "Pow" },
  pow_at_zero: { op: "Pow" },
  square_root: { op: "Pow", more: [scalar(0.5)] },
  normalize_1: { op: "LpNormalization", attributes: { p: 1, axis: 1 } },
  normalize_2: { op: "LpNormalization", attributes: { axis: -1 } },
  standardize: { op: "MeanVarianceNormalization", attributes: { axes: [2] } },
  clamp: { op: "Clip", more: [scalar(-0.7), scalar(0.5)] },
  clamp_by_tensors: { op: "Clip" },
};

/** Compares output and gradients of one operator. */
async function checkEqual(golden: Golden, equal: Equal, title: string, opset: number) {
  const keys = differentiatedIn(golden);
  const b = new GraphBuilder(title, opset);
  const feeds = new Map<string, Tensor>();
  keys.forEach((key, i) => {
    const value = golden.get(key)!;
    const shaped = { ...value, dims: equal.shapes?.[i] ?? value.dims };
    feeds.set(key, shaped);
    if (i === 0) b.input(key, "float32", ["batch", ...value.dims.slice(1)]);
    else b.initializer(key, shaped);
  });
  const more = (equal.more ?? []).map((value, i) => b.initializer(`more_${i}`, value));
  const named = { outputs: ["out"], domain: equal.domain ?? "" };
  b.output(b.node(equal.op, [...keys, ...more], equal.attributes ?? {}, named), "float32");
  const graph = b.build();
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 3 });
  const whole = gradientGraph(graph, facts, { outputs: ["out"], wrt: keys });
  feeds.set(whole.seeds.get("out")!, golden.get("seed")!);
  const values = await runtime().evaluate(writeModel(whole.graph), feeds);
  assertClose(values.get("out")!, golden.get("y")!, `${title}: y`, CLOSE);
  for (const key of keys) {
    const gradient = values.get(whole.gradients.get(key)!)!;
    const expected = { ...golden.get(`grad.${key}`)!, dims: feeds.get(key)!.dims };
    assertClose(gradient, expected, `${title}: d/d${key}`, CLOSE);
  }
}

Deno.test("gradients of activations and reductions are those of PyTorch", async () => {
  const cases = await goldenCases(FILE);
  assert.deepEqual([...cases.keys()].sort(), Object.keys(CASES).sort());
  const faults: string[] = [];
  for (const [title, equal] of Object.entries(CASES)) {
    for (const opset of equal.opsets ?? OPSETS) {
      await checkEqual(cases.get(title)!, equal, `${title} at opset ${opset}`, opset)
        .catch((fault) => faults.push(`${fault}`));
    }
  }
  assert.deepEqual(faults, []);
});
