import { DTYPES } from "../onnx/mod.ts";
import type { Node } from "../onnx/mod.ts";
import type { Shapes } from "./shapes.ts";
import type { OperatorCost, ValueCost } from "./workload.ts";

/**
 * What the gradient of an operator reads again: its inputs, its outputs, neither or both. Operators
 * that are not listed are taken to need both.
 */
const READS: Readonly<Record<string, "inputs" | "outputs" | "nothing">> = {
  Conv: "inputs",
  ConvTranspose: "inputs",
  Gemm: "inputs",
  MatMul: "inputs",
  FusedMatMul: "inputs",
  Mul: "inputs",
  Div: "inputs",
  Pow: "inputs",
  Abs: "inputs",
  Clip: "inputs",
  Log: "inputs",
  Gelu: "inputs",
  Erf: "inputs",
  BatchNormalization: "inputs",
  LayerNormalization: "inputs",
  Gather: "inputs",
  Where: "inputs",
  Relu: "outputs",
  LeakyRelu: "outputs",
  Sigmoid: "outputs",
  Tanh: "outputs",
  Softmax: "outputs",
  LogSoftmax: "outputs",
  Exp: "outputs",
  Sqrt: "outputs",
  MaxPool: "nothing",
  Dropout: "nothing",
  Add: "nothing",
  Sub: "nothing",
  Neg: "nothing",
  Identity: "nothing",
  Cast: "nothing",
  Flatten: "nothing",
  Reshape: "nothing",
  Transpose: "nothing",
  Squeeze: "nothing",
  Unsqueeze: "nothing",
  Expand: "nothing",
  Concat: "nothing",
  Split: "nothing",
  Slice: "nothing",
  Pad: "nothing",
  ReduceSum: "nothing",
  ReduceMean: "nothing",
  AveragePool: "nothing",
  GlobalAveragePool: "nothing",
};

/** Values of the graph that the gradient of `node` reads: an estimate, not autodiff's own list. */
export function stashOf(node: Node): string[] {
  const reads = READS[node.op];
  if (reads === "nothing") return [];
  const names = reads === "inputs"
    ? node.inputs
    : reads === "outputs"
    ? node.outputs.slice(0, 1)
    : [...node.inputs, ...node.outputs];
  return [...new Set(names)].filter((name) => name !== "");
}

/** Bytes that the gradient of `node` keeps besides values of the graph: indices and masks. */
export function hiddenStashBytes(node: Node, shapes: Shapes): number {
  const [output = ""] = node.outputs;
  if (node.op === "MaxPool") return shapes.elements(output) * DTYPES.int64.bytes;
  if (node.op === "Dropout") return shapes.bytes(output);
  return 0;
}

/**
 * Bytes of the gradients that a layer's weights' gradients read: those of its outputs. Those of
 * normalization layers are made on the way back, and wait for nothing.
 */
export function gradientStashBytes(
  { op, parameters, writes }: OperatorCost,
  values: ReadonlyMap<string, ValueCost>,
): number {
  if (parameters.length === 0 || op.endsWith("Normalization")) return 0;
  return writes.reduce((sum, name) => sum + values.get(name)!.bytes, 0);
}
