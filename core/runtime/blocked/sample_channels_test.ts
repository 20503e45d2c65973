import assert from "node:assert/strict";
import { GraphBuilder, numbers, tensor, writeModel } from "../../onnx/mod.ts";
import type { Graph, Tensor } from "../../onnx/mod.ts";
import { Random } from "../../random.ts";
import { Runtime } from "../runtime.ts";
import { blockedGraph } from "./blocked_graph.ts";
import { blockSize } from "./block_size.ts";

const { evaluate } = Runtime.open({ threads: 1 });

/** A convolution whose weight gradient is wanted. */
interface Shape {
  readonly channels: number;
  readonly filters: number;
  readonly groups: number;
  readonly map: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly pad: number;
  /** How the image is padded; zeros if absent. */
  readonly mode?: string;
  /** Slices of a sample that are samples of the convolution. */
  readonly slices?: number;
}

/** The gradient of a weight as autodiff writes it over the samples. */
function overSamples({ channels, filters, groups, map, kernel, stride, ...o }: Shape): Graph {
  const { pad, mode } = o;
  const builder = new GraphBuilder("over samples");
  const ints = (values: readonly number[]) =>
    builder.constant(tensor("int64", [values.length], [...values]), "ints");
  const reshape = (value: string, dims: readonly number[]) =>
    builder.node("Reshape", [value, ints(dims)]);
  const out = map.map((size, i) => Math.floor((size + 2 * pad - kernel[i]!) / stride) + 1);
  const sizes = out.map((size, i) => (size - 1) * stride + kernel[i]!);
  const ends = sizes.map((size, i) => size - map[i]! - pad);
  const given = o.slices === undefined
    ? [channels, ...map]
    : [o.slices, channels * map[0] * map[1]];
  const image = builder.input("x", "float32", ["batch", ...given]);
  const x = o.slices === undefined
    ? image
    : reshape(reshape(image, [-1, ...given]), [-1, channels, ...map]);
  const dy = builder.input("dy", "float32", [`batch × ${o.slices ?? 1}`, filters, ...out]);
  const amounts = [0, 0, pad, pad, 0, 0, ...ends];
  const padded = amounts.every((n) => n === 0)
    ? x
    : builder.node("Pad", [x, ints(amounts)], mode === undefined ? {} : { mode });
  const stack = reshape(padded, [-1, groups, channels / groups, ...sizes]);
  const turned = builder.node("Transpose", [stack], { perm: [2, 1, 0, 3, 4] });
  const maps = reshape(turned, [channels / groups, -1, ...sizes]);
  const turnedFilter = builder.node("Transpose", [dy], { perm: [1, 0, 2, 3] });
  const filter = reshape(turnedFilter, [filters, -1, ...out]);
  const attributes = { dilations: [stride, stride], group: groups };
  const all = builder.node("Conv", [maps, filter], attributes);
  const perm = [1, 0, 2, 3];
  builder.output(builder.node("Transpose", [all], { perm }, { outputs: ["y"] }), "float32");
  return builder.build();
}

function feedsOf(graph: Graph, samples: number): Map<string, Tensor> {
  const random = new Random(samples);
  return new Map(graph.inputs.map(({ name, shape }) => {
    const dims = shape!.map((size) =>
      typeof size === "number" ? size : samples * Number(size?.split(" × ")[1] ?? 1)
    );
    const size = dims.reduce((product, dim) => product * dim, 1);
    return [name, tensor("float32", dims, Array.from({ length: size }, () => random.normal()))];
  }));
}

/** Runs both graphs on so many samples. */
async function compare(plain: Graph, blocked: Graph, samples: number): Promise<void> {
  const feeds = feedsOf(plain, samples);
  const expected = (await evaluate(writeModel(plain), feeds)).get("y")!;
  const found = (await evaluate(writeModel(blocked), feeds)).get("y")!;
  assert.deepEqual(found.dims, expected.dims);
  const values = numbers(found);
  numbers(expected).forEach((value, i) => {
    const error = Math.abs(value - values[i]!);
    assert.ok(error < 1e-3 * Math.max(1, Math.abs(value)), `${samples} samples, element ${i}`);
  });
}

const base = { channels: 5, filters: 32, groups: 1, stride: 1, pad: 1 } as const;
const SHAPES: Readonly<Record<string, Shape>> = {
  "3 × 3": { ...base, map: [6, 5], kernel: [3, 3] },
  "uneven kernel, nothing padded": { ...base, map: [5, 7], kernel: [2, 4], pad: 0 },
  "stride": { ...base, map: [8, 7], kernel: [3, 3], stride: 2 },
  "rows that nothing meets": { ...base, map: [8, 8], kernel: [2, 2], stride: 3, pad: 0 },
  "padded by reflection": { ...base, map: [6, 6], kernel: [3, 3], mode: "reflect" },
  "slices of samples": { ...base, map: [6, 5], kernel: [3, 3], slices: 3 },
  "channels in several lines": { ...base, channels: 24, map: [6, 5], kernel: [3, 3] },
  "enough filters to keep channels apart": {
    ...base,
    filters: 64,
    map: [4, 4],
    kernel: [3, 3],
  },
  "groups in several lines": {
    ...base,
    channels: 40,
    groups: 2,
    map: [5, 5],
    kernel: [3, 3],
  },
  "groups of whole blocks": { ...base, channels: 4, groups: 2, map: [5, 5], kernel: [3, 3] },
  "groups of half a block": { ...base, channels: 8, groups: 4, map: [5, 5], kernel: [3, 3] },
  "groups of 4 filters and stride": {
    ...base,
    channels: 16,
    groups: 8,
    map: [7, 7],
    kernel: [3, 3],
    stride: 2,
  },
};

for (const [name, shape] of Object.entries(SHAPES)) {
  Deno.test(`a weight gradient over the samples equals the plain one: ${name}`, async () => {
    const block = await blockSize(evaluate);
    if (block === undefined) return;
    const plain = overSamples(shape);
    // Whole blocks of samples, and blocks of which the last is filled up.
    for (const usual of [2 * block, block - 3]) {
      const blocked = blockedGraph(plain, block, usual);
      assert.ok(blocked.nodes.some(({ op }) => op === "If"), "it was rewritten");
      for (const samples of [usual, 2]) await compare(plain, blocked, samples);
    }
  });
}

Deno.test("a weight gradient that does not fall into blocks stays as it is", () => {
  const shape: Shape = { ...base, map: [6, 5], kernel: [3, 3] };
  const plain = overSamples(shape);
  for (const samples of [undefined, 1, 7]) {
    assert.deepEqual(blockedGraph(plain, 16, samples).nodes, plain.nodes);
  }
  const odd: Shape[] = [
    { ...shape, filters: 24 },
    { ...shape, channels: 6, filters: 24, groups: 3 },
  ];
  for (const other of odd) {
    const graph = overSamples(other);
    assert.deepEqual(blockedGraph(graph, 16, 16).nodes, graph.nodes);
  }
});
