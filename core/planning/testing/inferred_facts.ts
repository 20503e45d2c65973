import { intOf, intsOf, stringOf } from "../../onnx/mod.ts";
import type { Extent, Fact, Facts, Graph, Node } from "../../onnx/mod.ts";

/**
 * Facts of a float32 graph by shape rules for the few operators of the example networks: tests of
 * planning need shapes, not a runtime. The first dimension of every input is the batch.
 */
export function inferredFacts(graph: Graph): Facts {
  const facts = new Map<string, Fact>();
  for (const { name, dtype, shape } of graph.inputs) {
    const dims = shape!.map((dim): Extent => typeof dim === "number" ? dim : { perSample: 1 });
    facts.set(name, { dtype, dims });
  }
  for (const [name, { dtype, dims }] of graph.initializers) facts.set(name, { dtype, dims });
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => name === "" ? [] : [...facts.get(name)!.dims]);
    const dims = outputDims(node, inputs);
    for (const output of node.outputs) {
      if (output !== "") facts.set(output, { dtype: "float32", dims });
    }
  }
  return facts;
}

function size(dim: Extent | undefined): number {
  if (typeof dim !== "number") throw new Error("a fixed dimension was expected");
  return dim;
}

/** Image size after a window: floor((size + pads - kernel) / stride) + 1 */
function windowed(node: Node, dims: readonly Extent[], kernel: readonly number[]): Extent[] {
  const strides = intsOf(node, "strides") ?? kernel.map(() => 1);
  const pads = intsOf(node, "pads") ?? kernel.flatMap(() => [0, 0]);
  return kernel.map((length, axis) => {
    const padded = size(dims[axis]) + pads[axis]! + pads[axis + kernel.length]!;
    return Math.floor((padded - length) / strides[axis]!) + 1;
  });
}

function outputDims(node: Node, inputs: readonly (readonly Extent[])[]): readonly Extent[] {
  const [x = [], w = []] = inputs;
  switch (node.op) {
    case "Conv":
      if (stringOf(node, "auto_pad", "NOTSET") !== "NOTSET") throw new Error("explicit pads only");
      return [x[0]!, w[0]!, ...windowed(node, x.slice(2), w.slice(2).map(size))];
    case "MaxPool":
      return [x[0]!, x[1]!, ...windowed(node, x.slice(2), intsOf(node, "kernel_shape")!)];
    case "GlobalAveragePool":
      return [x[0]!, x[1]!, ...x.slice(2).map(() => 1)];
    case "Flatten":
      return [x[0]!, x.slice(1).map(size).reduce((product, dim) => product * dim, 1)];
    case "Gemm":
      return [x[0]!, w[intOf(node, "transB", 0) === 1 ? 0 : 1]!];
    case "MatMul":
      return [...x.slice(0, -1), w.at(-1)!];
    case "Transpose":
      return [...x].reverse();
    case "Concat":
      return [x[0]!, inputs.reduce((sum, dims) => sum + size(dims[1]), 0)];
    case "BatchNormalization":
    case "Relu":
    case "Dropout":
    case "Softmax":
    case "Identity":
    case "Add":
    case "Mul":
      return x;
    default:
      throw new Error(`no shape rule for ${node.op}`);
  }
}
