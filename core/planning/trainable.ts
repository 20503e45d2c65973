import { consumers, elementCount, isFloat } from "../onnx/mod.ts";
import type { Graph, Node } from "../onnx/mod.ts";

/** Inputs that hold a layer's weights, by operator. */
const WEIGHT_INPUTS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [0, 1, 2],
  MatMul: [0, 1],
  FusedMatMul: [0, 1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  GroupNormalization: [1, 2],
  LayerNormalization: [1, 2],
  RMSNormalization: [1],
  PRelu: [1],
  Gather: [0],
  Einsum: [0, 1],
};

/** Inputs that hold a layer's running statistics: they are kept, but no gradient changes them. */
const BUFFER_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
};

/** Where a tensor of more than one element is taken for a weight (a bias, a layer scale). */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div"]);

/** Operators through which a weight may pass on its way to a layer, by its first input. */
const PASSING = new Set([
  "Transpose",
  "Reshape",
  "Identity",
  "Cast",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
  "Expand",
  "Concat",
  "Slice",
]);

type Readers = ReadonlyMap<string, readonly Node[]>;

function isWeightOf(node: Node, slot: number, elements: number): boolean {
  if (ELEMENTWISE.has(node.op)) return elements > 1;
  return WEIGHT_INPUTS[node.op]?.includes(slot) ?? false;
}

/** True when a layer takes `value` as a weight, directly or through reshaping operators. */
function reachesLayer(value: string, elements: number, readers: Readers): boolean {
  return (readers.get(value) ?? []).some((node) =>
    node.inputs.some((input, slot) => {
      if (input !== value) return false;
      if (isWeightOf(node, slot, elements)) return true;
      const passes = PASSING.has(node.op) && (slot === 0 || node.op === "Concat");
      return passes && node.outputs.some((output) => reachesLayer(output, elements, readers));
    })
  );
}

/** The initializers of a model by what becomes of them in training. */
export interface ModelState {
  /** Weights that training changes, in the order in which the operators read them. */
  readonly trainable: readonly string[];
  /** Running statistics, in the same order. */
  readonly buffers: readonly string[];
}

/**
 * Finds the trainable parameters of a model: ONNX does not mark them. They are the float
 * initializers in the weight inputs of layers, and those of more than one element that are added,
 * multiplied or so (a bias, a layer scale). Single numbers there are taken for constants.
 */
export function modelState(graph: Graph): ModelState {
  const readers = consumers(graph);
  const trainable = new Set<string>();
  const buffers = new Set<string>();
  for (const node of graph.nodes) {
    node.inputs.forEach((name, slot) => {
      const tensor = graph.initializers.get(name);
      if (tensor === undefined || !isFloat(tensor.dtype)) return;
      const elements = elementCount(tensor.dims);
      if (BUFFER_INPUTS[node.op]?.includes(slot)) buffers.add(name);
      else if (reachesLayer(name, elements, readers)) trainable.add(name);
    });
  }
  for (const name of buffers) trainable.delete(name);
  return { trainable: [...trainable], buffers: [...buffers] };
}
