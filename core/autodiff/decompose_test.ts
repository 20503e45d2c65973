import assert from "node:assert/strict";
import { GraphBuilder, numbers, type Tensor, traceFacts, writeModel } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import { decomposed } from "./decompose.ts";
import { float } from "./emit.ts";
import {
  type Case,
  type CaseGraph,
  checkGradients,
  described,
  graphOf,
  runtime,
  valuesOf,
} from "./rules/gradient_check_test.ts";

const TOLERANCE = 2e-5;

/** Writes the operator out, compares the outputs with its kernel's, and checks the gradients. */
async function check(test: Case): Promise<void> {
  await checkGraph(graphOf(test), { ...test, what: described(test) });
}

async function checkGraph(
  { graph, feeds, wrt }: CaseGraph,
  o: Pick<Case, "step" | "tolerance"> & { readonly what: string },
): Promise<void> {
  const { what } = o;
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 3, inputs: feeds });
  const plain = decomposed(graph, facts);
  assert.ok(plain.nodes.every(({ name }) => name !== "node"), what);
  const expected = await runtime().evaluate(writeModel(graph), feeds);
  const actual = await runtime().evaluate(writeModel(plain), feeds);
  for (const [name, value] of expected) {
    assert.deepEqual(actual.get(name)!.dims, value.dims, what);
    const [a, e] = [numbers(actual.get(name)!), numbers(value)];
    e.forEach((x, i) =>
      assert.ok(Math.abs(a[i]! - x) < TOLERANCE, `${what}: ${name}[${i}] is ${a[i]}, not ${x}`)
    );
  }
  await checkGradients(plain, { ...o, feeds, wrt });
}

function checkAll(title: string, cases: readonly Case[]): void {
  Deno.test(title, async () => {
    for (const test of cases) await check(test);
  });
}

const MICROSOFT = "com.microsoft";
const bools = (dims: readonly (number | "batch")[], values: readonly number[]) => ({
  dims,
  values,
  dtype: "bool" as const,
});
const flags = [1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1];
const four = (heads: number, length: number, width: number) =>
  ["batch", heads, length, width] as const;

checkAll("Attention: masks, causality, shared heads, both layouts", [
  { op: "Attention", opset: 23, operands: [four(2, 3, 4), four(2, 5, 4), four(2, 5, 3)] },
  { op: "Attention", opset: 24, operands: [four(2, 3, 4), four(1, 5, 4), four(1, 5, 4)] },
  {
    op: "Attention",
    opset: 23,
    attributes: { is_causal: 1, scale: 0.7 },
    operands: [four(2, 3, 4), four(2, 3, 4), four(2, 3, 4)],
  },
  {
    op: "Attention",
    opset: 23,
    attributes: { q_num_heads: 4, kv_num_heads: 2 },
    operands: [["batch", 3, 8], ["batch", 4, 4], ["batch", 4, 4], bools([3, 4], flags)],
  },
  {
    op: "Attention",
    opset: 23,
    operands: [four(2, 3, 4), four(2, 4, 4), four(2, 4, 4), ["batch", 1, 3, 4]],
  },
  {
    op: "Attention",
    opset: 23,
    attributes: { softcap: 1.5 },
    operands: [four(2, 3, 4), four(2, 3, 4), four(2, 3, 4)],
  },
]);

checkAll("MultiHeadAttention of ONNX Runtime", [
  ...[0, 1].map((unidirectional): Case => ({
    op: "MultiHeadAttention",
    domain: MICROSOFT,
    attributes: { num_heads: 2, unidirectional },
    operands: [["batch", 3, 8], ["batch", 3, 8], ["batch", 3, 8], [24]],
  })),
  {
    op: "MultiHeadAttention",
    domain: MICROSOFT,
    attributes: { num_heads: 2, scale: 0.3 },
    operands: [
      ["batch", 3, 8],
      ["batch", 4, 8],
      ["batch", 4, 8],
      null,
      { dims: ["batch", 4], values: [1, 1, 0, 1, 1, 1, 1, 0], dtype: "int32" },
      ["batch", 2, 3, 4],
    ],
  },
]);

checkAll("Attention of ONNX Runtime, with its projection", [
  {
    op: "Attention",
    domain: MICROSOFT,
    attributes: { num_heads: 2 },
    operands: [["batch", 3, 4], [4, 24], [24]],
  },
  {
    op: "Attention",
    domain: MICROSOFT,
    attributes: { num_heads: 2, unidirectional: 1 },
    operands: [
      ["batch", 3, 4],
      [4, 12],
      [12],
      { dims: ["batch", 3], values: [1, 1, 1, 1, 1, 0], dtype: "int32" },
    ],
  },
]);

const ids = (values: readonly number[]) => ({
  dims: ["batch", 3] as const,
  values,
  dtype: "int32" as const,
});

checkAll("EmbedLayerNormalization", [
  {
    op: "EmbedLayerNormalization",
    domain: MICROSOFT,
    attributes: { epsilon: 0.01 },
    operands: [ids([0, 3, 3, 1, 4, 0]), ids([0, 0, 1, 0, 1, 1]), [5, 4], [6, 4], [2, 4], [4], [4]],
    outputs: ["y", "count"],
    used: 1,
  },
  {
    op: "EmbedLayerNormalization",
    domain: MICROSOFT,
    attributes: { epsilon: 0.01 },
    operands: [ids([0, 3, 3, 1, 4, 0]), null, [5, 4], [6, 4], null, [4], [4]],
    outputs: ["y", "count"],
    used: 1,
  },
]);

checkAll("FusedMatMul of stacks with their rows in front", [
  ...[[1, 0], [0, 1], [1, 1]].map(([transBatchA, transBatchB]): Case => ({
    op: "FusedMatMul",
    domain: MICROSOFT,
    attributes: { transBatchA: transBatchA!, transBatchB: transBatchB!, alpha: 0.5 },
    operands: [
      transBatchA ? [3, 2, 4] : [2, 3, 4],
      transBatchB ? [4, 2, 5] : [2, 4, 5],
    ],
  })),
]);

interface Recurrent {
  readonly op: "LSTM" | "GRU" | "RNN";
  readonly direction?: "forward" | "reverse" | "bidirectional";
  readonly initial?: boolean;
  /** Names of outputs, `""` for those that are left out. */
  readonly outputs?: readonly string[];
  readonly attributes?: Case["attributes"];
  readonly step?: number;
  readonly tolerance?: number;
}

/** A recurrent layer of 3 steps, 4 inputs and 5 hidden elements, with the batch in front. */
async function checkRecurrent(o: Recurrent): Promise<void> {
  const { op, direction = "forward", initial = false, attributes = {} } = o;
  const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op];
  const count = direction === "bidirectional" ? 2 : 1;
  const random = new Random(3);
  const b = new GraphBuilder(op);
  const feeds = new Map<string, Tensor>();
  const wrt: string[] = [];
  const value = (dims: readonly (number | "batch")[]) =>
    valuesOf({ dims, range: [-0.7, 0.7] }, "float32", random);
  const input = (name: string, dims: readonly (number | "batch")[]): string => {
    wrt.push(name);
    feeds.set(name, value(dims));
    return b.node("Transpose", [b.input(name, "float32", dims)], { perm: [1, 0, 2] });
  };
  const parameter = (name: string, dims: readonly number[]): string => {
    wrt.push(name);
    return b.initializer(name, value(dims));
  };
  const operands = [
    input("x", ["batch", 3, 4]),
    parameter("w", [count, gates * 5, 4]),
    parameter("r", [count, gates * 5, 5]),
    parameter("b", [count, gates * 10]),
  ];
  if (initial) {
    operands.push("", input("h0", ["batch", count, 5]));
    if (op === "LSTM") operands.push(input("c0", ["batch", count, 5]));
  }
  const outputs = o.outputs ?? (op === "LSTM" ? ["y", "h", "c"] : ["y", "h"]);
  const all = { hidden_size: 5, direction, ...attributes };
  b.nodes(op, operands, all, { name: "node", outputs });
  for (const name of outputs) if (name !== "") b.output(name, "float32");
  await checkGraph({ graph: b.build(), feeds, wrt }, { ...o, what: JSON.stringify(o) });
}

function checkLayers(title: string, layers: readonly Recurrent[]): void {
  Deno.test(title, async () => {
    for (const layer of layers) await checkRecurrent(layer);
  });
}

for (const op of ["LSTM", "GRU", "RNN"] as const) {
  checkLayers(`${op} unrolled`, [
    { op },
    { op, direction: "reverse" },
    { op, direction: "bidirectional", initial: true },
    { op, direction: "bidirectional", outputs: ["", "h"] },
    { op, initial: true, outputs: ["y", ""] },
  ]);
}

const after = { linear_before_reset: 1 };
const relu = { activations: { type: "strings" as const, value: ["Relu"] } };

checkLayers("GRU that applies its reset gate after the product, RNN with ReLU", [
  { op: "GRU", attributes: after },
  { op: "GRU", attributes: after, direction: "bidirectional", initial: true },
  { op: "RNN", attributes: relu, initial: true, step: 2e-3, tolerance: 1e-2 },
]);

const small = ["batch", 3, 4] as const;
const layer: Pick<Case, "operands"> = { operands: [[3, 2, 4], [1, 20, 4], [1, 20, 5]] };

const REFUSED: readonly (readonly [Case, RegExp])[] = [
  [
    { op: "LSTM", ...layer, attributes: { hidden_size: 5, clip: float(3) } },
    /"node" \(LSTM\): clipped gates \(clip\)/,
  ],
  [
    {
      op: "LSTM",
      attributes: {
        hidden_size: 5,
        activations: { type: "strings", value: ["Tanh", "Tanh", "Tanh"] },
      },
      ...layer,
    },
    /its activations Tanh, Tanh, Tanh; known are Sigmoid, Tanh, Tanh/,
  ],
  [
    {
      op: "RNN",
      attributes: { hidden_size: 5 },
      operands: [
        [3, 2, 4],
        [1, 5, 4],
        [1, 5, 5],
        null,
        { dims: [2], values: [3, 2], dtype: "int32" },
      ],
    },
    /sequences of different lengths \(sequence_lens\); pad and mask/,
  ],
  [
    {
      op: "Attention",
      opset: 23,
      operands: [four(2, 3, 4), four(2, 3, 4), four(2, 3, 4), null, four(2, 1, 4), four(2, 1, 4)],
      outputs: 3,
      used: 1,
    },
    /"node" \(Attention\): it takes keys and values of earlier runs; export/,
  ],
  [
    {
      op: "Attention",
      domain: MICROSOFT,
      attributes: { num_heads: 2 },
      operands: [small, [4, 24], [24], { dims: ["batch"], values: [3, 2], dtype: "int32" }],
    },
    /"node" \(Attention\): its mask \(input 3\) must have the shape \[batch, keys\]/,
  ],
];

Deno.test("a form that cannot be written out is refused with node and reason", async () => {
  for (const [test, message] of REFUSED) {
    const { graph, feeds } = graphOf(test);
    const facts = await traceFacts(graph, runtime().evaluate, { batch: 2, inputs: feeds });
    assert.throws(() => decomposed(graph, facts), message);
  }
});

Deno.test("a graph of plain operators stays as it is", async () => {
  const { graph, feeds } = graphOf({ op: "Softmax", operands: [small] });
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 2, inputs: feeds });
  assert.equal(decomposed(graph, facts), graph);
});
