import { consumers, elementCount, isFloat, numbers } from "../onnx/mod.ts";
import type { Graph, Node, Tensor } from "../onnx/mod.ts";

/** Inputs that hold a layer's weights, by operator. */
const WEIGHT_INPUTS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  DeformConv: [1, 3],
  Gemm: [0, 1, 2],
  MatMul: [0, 1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  GroupNormalization: [1, 2],
  LayerNormalization: [1, 2],
  RMSNormalization: [1],
  PRelu: [1],
  Gather: [0],
  GatherElements: [0],
  GatherND: [0],
  Einsum: [0, 1, 2, 3],
  LSTM: [1, 2, 3, 7],
  GRU: [1, 2, 3],
  RNN: [1, 2, 3],
  FusedMatMul: [0, 1],
  FusedGemm: [0, 1, 2],
  FusedConv: [1, 2],
  BiasGelu: [1],
  FastGelu: [1],
  SimplifiedLayerNormalization: [1],
  SkipLayerNormalization: [2, 3, 4],
  SkipSimplifiedLayerNormalization: [2, 3],
};

/** Inputs that hold a layer's running statistics: they are kept, but no gradient changes them. */
const BUFFER_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
};

/** Where a tensor of more than one element is taken for a weight (a bias, a layer scale). */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div"]);

/** What brings raw data to a common scale, by its second input. */
const NORMALISING = new Set(["Sub", "Div"]);

/** Operators through which a weight may pass on its way to a layer, by its first input. */
const PASSING = new Set([
  ...["Transpose", "Reshape", "Identity", "Cast", "CastLike", "Squeeze", "Unsqueeze", "Flatten"],
  ...["Expand", "Tile", "Concat", "Slice", "Split", "Exp", "Softplus", "Sigmoid", "Tanh", "Abs"],
  ...["Neg", "Sqrt", "Softmax", "ReduceL2", "ReduceSumSquare", "ReduceSum", "ReduceMean"],
]);

/** Last words of the names that parameters of one element have; other single numbers are fixed. */
const SINGLE_PARAMETER = /(^|[._])(weight|bias|(logit_)?scale|gamma|beta|alpha|temperature)$/;

/** Last words of the names of buffers that networks commonly keep. */
const BUFFER_NAME = new RegExp(
  "(^|[._])(masks?|\\w+_mask|masked_bias|inv_freq|freqs|(cos|sin)(_cached)?|pe|anchors?|" +
    "position_ids|pixel_mean|pixel_std|image_mean|image_std|eps|epsilon)$",
);

/** A value in a float mask that stands for minus infinity is at most this. */
const MASKED = -1e4;

type Readers = ReadonlyMap<string, readonly Node[]>;

/** An initializer of floats that training leaves as it is. */
export interface FixedTensor {
  readonly name: string;
  /** Why it is taken for no parameter, e.g. `"the values of a mask"`. */
  readonly why: string;
}

/** The initializers of a model by what becomes of them in training. */
export interface ModelState {
  /** Weights that training changes, in the order in which the operators read them. */
  readonly trainable: readonly string[];
  /** Running statistics, in the same order. */
  readonly buffers: readonly string[];
  /** Other float tensors of more than one element, in the same order. */
  readonly fixed: readonly FixedTensor[];
}

/**
 * Finds the trainable parameters of a model: ONNX does not mark them. They are the float
 * initializers in the weight inputs of layers, directly or behind operators that reshape or
 * transform them, and those of more than one element that are added, multiplied or so (a bias, a
 * layer scale). Left out are
 *
 * - masks (zeros and ones of two or more dimensions, or values at or below −10,000) and buffers
 *   with a customary name (`inv_freq`, `cos_cached`, `pe`, …),
 * - what is subtracted from the raw data or divides it: the mean and deviation of a normalisation,
 * - the ones and zeros with which exporters fill a norm that has no weights,
 * - single numbers, unless their name says that they are a scale or a bias.
 */
export function modelState(graph: Graph): ModelState {
  const readers = consumers(graph);
  const raw = rawValues(graph);
  const trainable = new Set<string>();
  const buffers = new Set<string>();
  const fixed = new Map<string, string>();
  for (const node of graph.nodes) {
    node.inputs.forEach((name, slot) => {
      const tensor = graph.initializers.get(name);
      if (tensor === undefined || !isFloat(tensor.dtype)) return;
      if (BUFFER_INPUTS[node.op]?.includes(slot)) buffers.add(name);
      if (buffers.has(name) || trainable.has(name)) return;
      const why = whyFixed(name, tensor, { readers, raw });
      if (why === undefined) trainable.add(name);
      else if (elementCount(tensor.dims) > 1) fixed.set(name, why);
    });
  }
  for (const name of buffers) {
    trainable.delete(name);
    fixed.delete(name);
  }
  return {
    trainable: [...trainable],
    buffers: [...buffers],
    fixed: [...fixed].map(([name, why]) => ({ name, why })),
  };
}

/** What is known of the graph around an initializer. */
interface Around {
  readonly readers: Readers;
  /** Graph inputs, and what is computed from them without weights. */
  readonly raw: ReadonlySet<string>;
}

/** The values that come from the data with no weights on the way, normalised perhaps. */
function rawValues(graph: Graph): Set<string> {
  const raw = new Set(graph.inputs.map(({ name }) => name));
  const weighs = (name: string) => {
    const tensor = graph.initializers.get(name);
    return tensor !== undefined && isFloat(tensor.dtype) && elementCount(tensor.dims) > 1;
  };
  for (const { op, inputs, outputs } of graph.nodes) {
    const normalises = NORMALISING.has(op) && raw.has(inputs[0]!);
    if (
      op === "Shape" || inputs.some((name, slot) => weighs(name) && !(normalises && slot === 1))
    ) {
      continue;
    }
    const plain = inputs.every((name) =>
      name === "" || raw.has(name) || graph.initializers.has(name)
    );
    if (plain && inputs.some((name) => raw.has(name))) {
      for (const output of outputs) raw.add(output);
    }
  }
  return raw;
}

/** Why an initializer is no parameter; undefined where it is one. */
function whyFixed(name: string, tensor: Tensor, around: Around): string | undefined {
  const single = elementCount(tensor.dims) === 1;
  if (!reachesLayer(name, single && !SINGLE_PARAMETER.test(name), around)) {
    return "no layer takes it as a weight";
  }
  if (BUFFER_NAME.test(name)) return "its name is that of a buffer";
  if (single || tensor.dtype === "bfloat16") return undefined;
  if (isMask(tensor)) return "the values of a mask";
  const layers = around.readers.get(name) ?? [];
  const isFiller = layers.every(({ op }) => op === "InstanceNormalization");
  if (isFiller && !/[a-zA-Z]\.\w/.test(name) && isUniform(tensor)) {
    return "fills a norm that has no weights";
  }
  return undefined;
}

/** True when a layer takes `value` as a weight, directly or through operators that pass it on. */
function reachesLayer(value: string, single: boolean, around: Around): boolean {
  return (around.readers.get(value) ?? []).some((node) =>
    node.inputs.some((input, slot) => {
      if (input !== value) return false;
      if (isWeightOf(node, slot, single, around)) return true;
      const passes = PASSING.has(node.op) && (slot === 0 || node.op === "Concat");
      return passes && node.outputs.some((output) => reachesLayer(output, single, around));
    })
  );
}

function isWeightOf(node: Node, slot: number, single: boolean, { raw }: Around): boolean {
  if (!ELEMENTWISE.has(node.op)) return WEIGHT_INPUTS[node.op]?.includes(slot) ?? false;
  if (single) return false;
  return !(NORMALISING.has(node.op) && slot === 1 && raw.has(node.inputs[0]!));
}

/** Zeros and ones both, in two dimensions or more, or numbers that stand for minus infinity. */
function isMask(tensor: Tensor): boolean {
  const values = numbers(tensor);
  let zeros = 0, ones = 0;
  for (const value of values) {
    if (value <= MASKED) return true;
    if (value === 0) zeros++;
    else if (value === 1) ones++;
  }
  const wide = tensor.dims.filter((dim) => dim > 1).length >= 2;
  return wide && zeros > 0 && ones > 0 && zeros + ones === values.length;
}

/** All ones, or all zeros. */
function isUniform(tensor: Tensor): boolean {
  const values = numbers(tensor);
  const [first] = values;
  return (first === 0 || first === 1) && values.every((value) => value === first);
}
