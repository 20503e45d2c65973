import assert from "node:assert/strict";
import { GraphBuilder, numbers, tensor, writeModel } from "../../onnx/mod.ts";
import type { AttributeValue, Evaluate, Graph, Tensor } from "../../onnx/mod.ts";
import { Random } from "../../random.ts";
import { Runtime } from "../runtime.ts";
import { blockedGraph } from "./blocked_graph.ts";
import { blockedModels, blockSize, probeBlock } from "./block_size.ts";
import { BLOCKED } from "./rewriting.ts";

const { evaluate } = Runtime.open({ threads: 1 });

type Dims = readonly (number | "batch")[];

function graphOf(
  op: string,
  x: Dims,
  w: readonly number[],
  attributes: Record<string, AttributeValue>,
  bias = false,
): Graph {
  const builder = new GraphBuilder("convolution");
  const inputs = [builder.input("x", "float32", x), builder.input("w", "float32", w)];
  if (bias) inputs.push(builder.input("b", "float32", [w[0]!]));
  builder.output(builder.node(op, inputs, attributes, { outputs: ["y"] }), "float32");
  return builder.build();
}

/** The gradient of a depthwise weight as autodiff writes it. */
function correlation(
  o: { channels: number; side: number; taps: number; stride: number; pad: number },
): Graph {
  const { channels, side, taps, stride, pad } = o;
  const out = Math.floor((side + 2 * pad - taps) / stride) + 1;
  const rows = Math.ceil(((out - 1) * stride + taps) / stride) * stride;
  const columns = (out - 1) * stride + taps;
  const builder = new GraphBuilder("correlation");
  const ints = (values: number[]) =>
    builder.constant(tensor("int64", [values.length], values), "ints");
  const pile = (value: string, pads: number[], dims: number[]) => {
    const turned = builder.node("Transpose", [value], { perm: [1, 0, 2, 3] });
    const padded = pads.every((n) => n === 0)
      ? turned
      : builder.node("Pad", [turned, ints([0, 0, ...pads.slice(0, 2), 0, 0, ...pads.slice(2)])]);
    return builder.node("Reshape", [padded, ints(dims)]);
  };
  const x = builder.input("x", "float32", ["batch", channels, side, side]);
  const dy = builder.input("dy", "float32", ["batch", channels, out, out]);
  const image = pile(x, [pad, pad, rows - side - pad, columns - side - pad], [
    1,
    channels,
    -1,
    columns,
  ]);
  const filter = pile(dy, [0, 0, rows / stride - out, 0], [channels, 1, -1, out]);
  const dilations = [stride, stride];
  const pads = [0, 0, taps - stride, 0];
  const attributes = { group: channels, dilations, pads };
  builder.output(builder.node("Conv", [image, filter], attributes, { outputs: ["y"] }), "float32");
  return builder.build();
}

function feedsOf(graph: Graph, samples: number): Map<string, Tensor> {
  const random = new Random(1);
  return new Map(graph.inputs.map(({ name, shape }) => {
    const dims = shape!.map((size) => size === "batch" ? samples : Number(size));
    const size = dims.reduce((product, dim) => product * dim, 1);
    return [name, tensor("float32", dims, Array.from({ length: size }, () => random.normal()))];
  }));
}

/** Runs a graph and its blocked form; the latter must be blocked indeed. */
async function compare(graph: Graph, block: number, samples: number): Promise<void> {
  const blocked = blockedGraph(graph, block, 3);
  assert.ok(blocked.nodes.some(({ domain }) => domain === BLOCKED), "it was rewritten");
  const feeds = feedsOf(graph, samples);
  const [expected, found] = [
    await evaluate(writeModel(graph), feeds),
    await evaluate(writeModel(blocked), feeds),
  ].map((values) => values.get("y")!) as [Tensor, Tensor];
  assert.deepEqual(found.dims, expected.dims);
  const [a, b] = [numbers(expected), numbers(found)];
  for (let i = 0; i < a.length; i++) {
    assert.ok(Math.abs(a[i]! - b[i]!) < 1e-3 * Math.max(1, Math.abs(a[i]!)), `element ${i}`);
  }
}

const GRAPHS: Record<string, Graph> = {
  "3 × 3": graphOf("Conv", ["batch", 16, 6, 5], [32, 16, 3, 3], { pads: [1, 1, 1, 1] }, true),
  "stride and uneven padding": graphOf("Conv", ["batch", 32, 7, 8], [16, 32, 3, 2], {
    strides: [2, 1],
    pads: [0, 1, 2, 0],
  }),
  "5 × 5, padded": graphOf("Conv", ["batch", 16, 6, 5], [32, 16, 5, 5], { pads: [2, 2, 2, 2] }),
  "1 × 7, padded unevenly": graphOf("Conv", ["batch", 32, 6, 9], [16, 32, 1, 7], {
    pads: [0, 3, 0, 2],
  }, true),
  "3 channels, 5 × 5, padded": graphOf("Conv", ["batch", 3, 9, 9], [16, 3, 5, 5], {
    pads: [2, 2, 2, 2],
  }),
  "depthwise, 5 × 5, padded": graphOf("Conv", ["batch", 32, 7, 7], [32, 1, 5, 5], {
    group: 32,
    pads: [2, 2, 2, 2],
  }),
  "transposed, 5 × 5": graphOf("ConvTranspose", ["batch", 16, 6, 7], [16, 32, 5, 5], {
    pads: [2, 2, 2, 2],
    output_shape: [6, 7],
  }),
  "1 × 1 with stride": graphOf("Conv", ["batch", 16, 6, 6], [32, 16, 1, 1], { strides: [2, 2] }),
  "3 channels": graphOf("Conv", ["batch", 3, 9, 9], [16, 3, 5, 5], { strides: [2, 2] }, true),
  "depthwise": graphOf("Conv", ["batch", 32, 7, 7], [32, 1, 3, 3], {
    group: 32,
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  "groups of blocks": graphOf("Conv", ["batch", 32, 5, 5], [64, 16, 3, 3], { group: 2 }),
  "groups of half a block": graphOf("Conv", ["batch", 32, 5, 5], [64, 8, 3, 3], { group: 4 }),
  "groups of half a block of 8": graphOf("Conv", ["batch", 32, 5, 5], [32, 4, 3, 3], { group: 8 }),
  "transposed groups": graphOf("ConvTranspose", ["batch", 64, 4, 4], [64, 8, 3, 3], {
    group: 4,
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    output_padding: [1, 1],
    output_shape: [8, 8],
  }),
  "transposed groups of blocks": graphOf("ConvTranspose", ["batch", 64, 4, 4], [64, 16, 3, 3], {
    group: 2,
    pads: [1, 1, 1, 1],
    output_shape: [4, 4],
  }),
  "transposed": graphOf("ConvTranspose", ["batch", 16, 4, 5], [16, 32, 3, 3], {
    pads: [1, 1, 1, 1],
    output_shape: [4, 5],
  }),
  "transposed with stride": graphOf("ConvTranspose", ["batch", 32, 4, 4], [32, 16, 3, 3], {
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    output_padding: [1, 0],
    output_shape: [8, 7],
  }),
  "transposed, 7 × 7 with stride 2 and 3": graphOf(
    "ConvTranspose",
    ["batch", 16, 4, 3],
    [16, 16, 7, 7],
    { strides: [2, 3], pads: [3, 2, 3, 2], output_padding: [1, 0], output_shape: [8, 9] },
  ),
  "transposed depthwise": graphOf("ConvTranspose", ["batch", 16, 4, 4], [16, 1, 3, 3], {
    group: 16,
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    output_padding: [1, 1],
    output_shape: [8, 8],
  }),
  "correlated": correlation({ channels: 16, side: 6, taps: 3, stride: 1, pad: 1 }),
  "correlated with stride": correlation({ channels: 32, side: 7, taps: 3, stride: 2, pad: 1 }),
  "correlated without padding": correlation({ channels: 16, side: 9, taps: 5, stride: 2, pad: 0 }),
};

for (const [name, graph] of Object.entries(GRAPHS)) {
  Deno.test(`a blocked convolution equals the plain one: ${name}`, async () => {
    const block = await blockSize(evaluate);
    if (block === undefined) return;
    // Half a block on one machine is too narrow, or a whole block, on another.
    if (!blockedGraph(graph, block).opsets.has(BLOCKED) && name.startsWith("groups of half")) {
      return;
    }
    // The usual number of samples is 3; another takes the other branch.
    for (const samples of [3, 2]) await compare(graph, block, samples);
  });
}

Deno.test("convolutions that the blocked kernels cannot take stay as they are", () => {
  const odd: Graph[] = [
    graphOf("Conv", ["batch", 24, 6, 6], [24, 24, 3, 3], {}),
    graphOf("Conv", ["batch", 16, 6, 6], [16, 4, 3, 3], { group: 4 }),
    graphOf("Conv", ["batch", 16, 6], [16, 16, 3], {}),
    graphOf("Conv", ["batch", 16, 6, 6], [16, 16, 1, 1], {}),
    graphOf("Conv", ["batch", 16, 6, 6], [16, 16, 3, 3], { auto_pad: "SAME_UPPER" }),
    graphOf("ConvTranspose", ["batch", 16, 6, 6], [16, 16, 1, 1], {
      strides: [2, 2],
      output_shape: [11, 11],
    }),
    graphOf("ConvTranspose", ["batch", 16, 6, 6], [16, 16, 3, 3], { strides: [2, 2] }),
  ];
  for (const graph of odd) assert.deepEqual(blockedGraph(graph, 16).nodes, graph.nodes);
});

Deno.test("a probe that gives other numbers, or an error, leaves models as they are", async () => {
  let runs = 0;
  const wrong: Evaluate = async (model, feeds) => {
    const values = await evaluate(model, feeds);
    if (runs++ === 0) return values;
    return new Map(
      [...values].map(([name, value]) => [
        name,
        tensor("float32", value.dims, Array.from(numbers(value), (x) => x + 0.01)),
      ]),
    );
  };
  assert.equal(await probeBlock(wrong), undefined);
  assert.equal(runs, 3);
  let first = true;
  const failing: Evaluate = (model, feeds) => {
    if (!first) return Promise.reject(new Error("no such kernel"));
    first = false;
    return evaluate(model, feeds);
  };
  assert.equal(await probeBlock(failing), undefined);
  const models = { forward: writeModel(GRAPHS["3 × 3"]!) };
  const probe = () => Promise.resolve(undefined);
  assert.equal(await blockedModels(models, { evaluate, samples: 2, probe }), models);
});
