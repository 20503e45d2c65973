import { elementCount, intOf, intsOf } from "../onnx/mod.ts";
import type { Node } from "../onnx/mod.ts";
import type { Shapes } from "./shapes.ts";

/** What one application of an operator does. */
export interface OperatorWork {
  /** Floating-point operations; a multiply-add counts two. */
  readonly flops: number;
  /** Bytes read and written. */
  readonly bytes: number;
}

/** Floating-point operations an element for operators without products of matrices; others 1. */
const FLOPS_PER_ELEMENT: Readonly<Record<string, number>> = {
  BatchNormalization: 4,
  LayerNormalization: 8,
  InstanceNormalization: 8,
  GroupNormalization: 8,
  RMSNormalization: 6,
  Softmax: 12,
  LogSoftmax: 12,
  Sigmoid: 10,
  Tanh: 10,
  Exp: 8,
  Log: 8,
  Erf: 12,
  Gelu: 14,
  Pow: 16,
  Sqrt: 4,
  Div: 4,
  // They only rename the shape, or move bytes.
  Reshape: 0,
  Flatten: 0,
  Squeeze: 0,
  Unsqueeze: 0,
  Identity: 0,
  Transpose: 0,
  Concat: 0,
  Split: 0,
  Slice: 0,
  Expand: 0,
  Gather: 0,
};

/** Operators that are products of matrices, with gradients that are products too. */
export const PRODUCTS: ReadonlySet<string> = new Set([
  "Conv",
  "ConvTranspose",
  "Gemm",
  "MatMul",
  "FusedMatMul",
]);

/** Length of the sum in a product of matrices. */
function innerDimension(node: Node, dims: readonly number[]): number {
  const transposed = intOf(node, "transA", 0) !== 0 && dims.length > 1;
  return dims.at(transposed ? -2 : -1) ?? 1;
}

function flopsOf(node: Node, shapes: Shapes): number {
  const [first = "", second = ""] = node.inputs;
  const output = node.outputs.find((name) => name !== "");
  const written = output === undefined ? 0 : shapes.elements(output);
  switch (node.op) {
    case "Conv":
      // every output element sums over C/group channels and the kernel
      return 2 * written * elementCount(shapes.dims(second).slice(1));
    case "ConvTranspose":
      return 2 * shapes.elements(first) * elementCount(shapes.dims(second).slice(1));
    case "Gemm":
    case "MatMul":
    case "FusedMatMul":
      return 2 * written * innerDimension(node, shapes.dims(first));
    case "MaxPool":
    case "AveragePool":
      return written * elementCount(intsOf(node, "kernel_shape") ?? []);
  }
  const read = first === "" ? 0 : shapes.elements(first);
  return Math.max(read, written) * (FLOPS_PER_ELEMENT[node.op] ?? 1);
}

/** The work of a node at the batch size of `shapes`. */
export function workOf(node: Node, shapes: Shapes): OperatorWork {
  const values = [...node.inputs, ...node.outputs].filter((name) => name !== "");
  const bytes = values.reduce((sum, value) => sum + shapes.bytes(value), 0);
  return { flops: flopsOf(node, shapes), bytes };
}
