import { byteCount, GraphBuilder, tensor } from "../onnx/mod.ts";
import type { Fact, Graph } from "../onnx/mod.ts";

/** A network to plan for, not to train. */
export interface ModelledModel {
  readonly graph: Graph;
  readonly facts: ReadonlyMap<string, Fact>;
}

/**
 * A perceptron of `layers` dense layers of `width` units, ReLU between them. All its weights have
 * one value and lie in one place: planning asks for their sizes.
 */
export function modelledModel(layers: number, width: number): ModelledModel {
  const builder = new GraphBuilder("perceptron");
  const facts = new Map<string, Fact>();
  const count = width * width;
  const all = tensor("float32", [count], new Float32Array(count).fill(0.5));
  const weight = (name: string, dims: readonly number[]) => {
    facts.set(name, { dtype: "float32", dims });
    const bytes = all.bytes.subarray(0, byteCount("float32", dims));
    return builder.initializer(name, { dtype: "float32", dims, bytes });
  };
  const row: Fact = { dtype: "float32", dims: [{ perSample: 1 }, width] };
  const operator = (op: string, inputs: readonly string[], name: string) => {
    const value = builder.node(op, inputs, {}, { name });
    facts.set(value, row);
    return value;
  };
  let value = builder.input("x", "float32", ["batch", width]);
  facts.set(value, row);
  for (let i = 0; i < layers; i++) {
    if (i > 0) value = operator("Relu", [value], `relu_${i}`);
    const inputs = [value, weight(`weight_${i}`, [width, width]), weight(`bias_${i}`, [width])];
    value = operator("Gemm", inputs, `dense_${i}`);
  }
  builder.output(value, "float32", ["batch", width]);
  return { graph: builder.build(), facts };
}
