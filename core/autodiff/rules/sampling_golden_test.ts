import assert from "node:assert/strict";
import {
  type AttributeValue,
  GraphBuilder,
  type Tensor,
  tensor,
  traceFacts,
  writeModel,
} from "../../onnx/mod.ts";
import { assertClose, differentiatedIn, type Golden, goldenCases } from "../golden_cases_test.ts";
import { gradientGraph } from "../gradient_graph.ts";
import { runtime } from "./gradient_check_test.ts";

/** What PyTorch computed; `make_sampling.py` beside the file says what each tensor is. */
const FILE = "sampling/sampling.safetensors";

const CLOSE = { tolerance: 2e-6, floor: 1 };

type Attributes = Readonly<Record<string, AttributeValue>>;

/** Adds the operators of a case, whose operands exist in the builder; returns the output. */
type Layers = (b: GraphBuilder, operands: readonly string[]) => string;

/** One operator; constants take the places after the operands. */
const layer =
  (op: string, attributes: Attributes = {}, ...constants: Tensor[]): Layers => (b, operands) => {
    const more = constants.map((value, i) => b.initializer(`constant_${i}`, value));
    return b.node(op, [...operands, ...more], attributes);
  };

const ints = (...values: number[]) => tensor("int64", [values.length], values);

/** Scattering operators take their indices between two operands. */
const scattering =
  (op: string, indices: Tensor, attributes: Attributes = {}): Layers => (b, operands) => {
    const [x, updates] = operands as [string, string];
    return b.node(op, [x, b.initializer("indices", indices), updates], attributes);
  };

/** `F.interpolate` by size, or by scale where the numbers are not whole. */
function resizing(mode: string, transformation: string, o: {
  sizes?: number[];
  scales?: number[];
  more?: Attributes;
}): Layers {
  return (b, [x]) => {
    const scales = o.scales === undefined
      ? ""
      : b.initializer("scales", tensor("float32", [o.scales.length], o.scales));
    const sizes = o.sizes === undefined ? [] : [b.initializer("sizes", ints(...o.sizes))];
    const how = { mode, coordinate_transformation_mode: transformation, ...o.more };
    return b.node("Resize", [x!, "", scales, ...sizes], how);
  };
}

const nearest = { nearest_mode: "floor" };
const exact = { nearest_mode: "round_prefer_ceil" };

/** The cases of an interpolation with corners aligned and not. */
function aligned(title: string, mode: string, sizes: number[]): Record<string, Layers> {
  const more = mode === "cubic" ? { cubic_coeff_a: -0.75 } : {};
  return {
    [`${title}_align_0`]: resizing(mode, "pytorch_half_pixel", { sizes, more }),
    [`${title}_align_1`]: resizing(mode, "align_corners", { sizes, more }),
  };
}

/** The cases of an average pooling with padding counted and not. */
function means(title: string, kernel: number[], more: Attributes = {}): Record<string, Layers> {
  const attributes = {
    kernel_shape: kernel,
    strides: kernel.map(() => 2),
    pads: [...kernel, ...kernel].map(() => 1),
    ...more,
  };
  return {
    [`${title}included_0`]: layer("AveragePool", attributes),
    [`${title}included_1`]: layer("AveragePool", { ...attributes, count_include_pad: 1 }),
  };
}

/** max_unpool2d of max_pool2d with its indices. */
const unpool: Layers = (b, [x]) => {
  const window = { kernel_shape: [2, 2], strides: [2, 2] };
  const [y, places] = b.nodes("MaxPool", [x!], window, { outputs: 2 });
  return b.node("MaxUnpool", [y!, places!], window);
};

/** The first output alone. */
const topK = (k: number, attributes: Attributes): Layers => (b, [x]) =>
  b.nodes("TopK", [x!, b.initializer("k", ints(k))], attributes, { outputs: 2 })[0]!;

/** lp_pool2d of x². */
const lpPool = (attributes: Attributes): Layers => (b, [x]) =>
  b.node("LpPool", [b.node("Mul", [x!, x!])], attributes);

const axis = (value: number) => tensor("int64", [], [value]);
const columns = tensor("int64", [2, 3], [2, 2, 0, 3, 1, 3]);
const apart = tensor("int64", [2, 3], [2, 1, 0, 3, 1, 0]);
const along = { axis: 1 };
const border = [0, 0, 0, 2, 0, 0, 3, 1];
const einsum = (equation: string) => layer("Einsum", { equation });
const doubling = { strides: [2, 2], pads: [1, 1, 1, 1] };

const CASES: Readonly<Record<string, Layers>> = {
  spread_plain: layer("ConvTranspose"),
  spread_double: layer("ConvTranspose", doubling),
  spread_extra: layer("ConvTranspose", { ...doubling, output_padding: [1, 1] }),
  spread_group: layer("ConvTranspose", { strides: [2, 2], group: 2 }),
  spread_dilation: layer("ConvTranspose", { dilations: [2, 2], pads: [1, 1, 1, 1] }),
  spread_1d: layer("ConvTranspose", { strides: [3], pads: [1, 1], output_padding: [2] }),
  spread_3d: layer("ConvTranspose", { strides: [2, 2, 2] }),
  nearest_double: resizing("nearest", "asymmetric", { scales: [1, 1, 2, 2], more: nearest }),
  nearest_sizes: resizing("nearest", "asymmetric", { sizes: [2, 2, 7, 3], more: nearest }),
  nearest_exact: resizing("nearest", "half_pixel", { sizes: [2, 2, 7, 3], more: exact }),
  nearest_3d: resizing("nearest", "asymmetric", { scales: [1, 1, 2, 2, 2], more: nearest }),
  ...aligned("linear_double", "linear", [2, 2, 6, 8]),
  ...aligned("linear_sizes", "linear", [2, 2, 3, 7]),
  ...aligned("cubic", "cubic", [2, 2, 8, 6]),
  ...aligned("linear_1d", "linear", [2, 3, 8]),
  ...aligned("linear_3d", "linear", [2, 1, 3, 5, 3]),
  linear_scales: resizing("linear", "pytorch_half_pixel", { scales: [1, 1, 1.3, 0.7] }),
  ...means("mean_", [3, 3]),
  ...means("mean_ceil_", [3, 3], { ceil_mode: 1 }),
  ...means("mean_1d_", [4]),
  ...means("mean_3d_", [3, 3, 3]),
  max_overlapping: layer("MaxPool", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  max_ceil: layer("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  max_dilation: layer("MaxPool", { kernel_shape: [2, 2], dilations: [2, 2] }),
  max_1d: layer("MaxPool", { kernel_shape: [3], strides: [2], pads: [1, 1] }),
  max_3d: layer("MaxPool", { kernel_shape: [2, 3, 2], strides: [1, 2, 1] }),
  norm_2: lpPool({ kernel_shape: [3, 3], strides: [2, 2] }),
  norm_3: lpPool({ kernel_shape: [2, 3], p: 3 }),
  unpool,
  cumulate: layer("CumSum", {}, axis(1)),
  cumulate_back: layer("CumSum", { reverse: 1 }, axis(-1)),
  cumulate_before: layer("CumSum", { exclusive: 1 }, axis(2)),
  largest: topK(2, { axis: 1 }),
  smallest: topK(3, { largest: 0 }),
  repeat: layer("Tile", {}, ints(2, 1, 3)),
  gather: layer("GatherElements", along, columns),
  gather_rows: layer("Gather", {}, ints(3, 0, 3)),
  gather_places: layer("GatherND", {}, tensor("int64", [3, 2], [1, 2, 0, 3, 1, 2])),
  scatter: scattering("ScatterElements", apart, along),
  scatter_add: scattering("ScatterElements", columns, { ...along, reduction: "add" }),
  scatter_prod: scattering("ScatterElements", columns, { ...along, reduction: "mul" }),
  scatter_amax: scattering("ScatterElements", columns, { ...along, reduction: "max" }),
  scatter_amin: scattering("ScatterElements", columns, { ...along, reduction: "min" }),
  put_rows: scattering("ScatterND", tensor("int64", [2, 1], [3, 1])),
  add_places: scattering("ScatterND", tensor("int64", [3, 2], [1, 2, 0, 3, 2, 0]), {
    reduction: "add",
  }),
  product_linear: einsum("bsd,fd->bsf"),
  product_heads: einsum("bqhd,bkhd->bhqk"),
  product_bilinear: einsum("bi,oij,bj->bo"),
  product_outer: einsum("bi,bj->bij"),
  product_diagonal: einsum("bii,ij->bj"),
  product_sums: einsum("bij->b"),
  reflect: layer("Pad", { mode: "reflect" }, ints(...border)),
  replicate: layer("Pad", { mode: "edge" }, ints(...border)),
  circular: layer("Pad", { mode: "wrap" }, ints(...border)),
  shuffle: layer("DepthToSpace", { blocksize: 2, mode: "CRD" }),
  fold: layer("Col2Im", { strides: [2, 1], pads: [1, 0, 1, 0] }, ints(5, 6), ints(3, 2)),
  ...Object.fromEntries(
    ["zeros", "border", "reflection"].flatMap((padding_mode) =>
      [0, 1].map((align_corners) => [
        `sample_${padding_mode}_${align_corners}`,
        layer("GridSample", { padding_mode, align_corners }),
      ])
    ),
  ),
  grid_0: layer("AffineGrid", {}, ints(2, 1, 3, 4)),
  grid_1: layer("AffineGrid", { align_corners: 1 }, ints(2, 1, 3, 4)),
};

/** Compares output and gradients of one case. */
async function check(golden: Golden, layers: Layers, title: string): Promise<void> {
  const keys = differentiatedIn(golden);
  const b = new GraphBuilder(title, 20);
  const feeds = new Map(keys.map((key) => [key, golden.get(key)!]));
  for (const [key, value] of feeds) b.initializer(key, value);
  const y = layers(b, keys);
  b.output(y, "float32");
  const graph = b.build();
  const facts = await traceFacts(graph, runtime().evaluate, { batch: 3 });
  const whole = gradientGraph(graph, facts, { outputs: [y], wrt: keys });
  feeds.set(whole.seeds.get(y)!, golden.get("seed")!);
  const values = await runtime().evaluate(writeModel(whole.graph), feeds);
  assertClose(values.get(y)!, golden.get("y")!, `${title}: y`, CLOSE);
  for (const key of keys) {
    const gradient = values.get(whole.gradients.get(key)!)!;
    assertClose(gradient, golden.get(`grad.${key}`)!, `${title}: d/d${key}`, CLOSE);
  }
}

Deno.test("gradients of what moves, picks and resamples are those of PyTorch", async () => {
  const cases = await goldenCases(FILE);
  assert.deepEqual([...cases.keys()].sort(), Object.keys(CASES).sort());
  const faults: string[] = [];
  for (const [title, layers] of Object.entries(CASES)) {
    await check(cases.get(title)!, layers, title).catch((fault) => faults.push(`${fault}`));
  }
  assert.deepEqual(faults, []);
});
