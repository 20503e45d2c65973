import { GraphBuilder, tensor } from "../../onnx/mod.ts";
import type { Graph } from "../../onnx/mod.ts";
import type { Random } from "../../random.ts";

const WIDTH = 8;

/**
 * A random network over [batch, 8]: dense layers, ReLUs, batch norm, additions of any two earlier
 * values (skips across any number of layers) and of a second model input, now and then a tied
 * weight.
 */
export function randomGraph(random: Random, layers: number): Graph {
  const builder = new GraphBuilder("random");
  const values = [builder.input("x", "float32", ["batch", WIDTH])];
  const second = builder.input("z", "float32", ["batch", WIDTH]);
  const weight = (name: string, dims: number[]) =>
    builder.initializer(
      name,
      tensor("float32", dims, new Float32Array(dims.reduce((a, b) => a * b))),
    );
  const weights: string[] = [];
  for (let i = 0; i < layers; i++) {
    const x = values.at(-1)!;
    const options = { name: `layer${i}` };
    const kind = i === 0 ? 0 : random.integer(7);
    if (kind <= 1) {
      const tied = weights.length > 0 && random.integer(8) === 0;
      if (!tied) weights.push(weight(`layer${i}.weight`, [WIDTH, WIDTH]));
      values.push(builder.node("Gemm", [x, weights.at(-1)!, weight(`layer${i}.bias`, [WIDTH])], {
        transB: 1,
      }, options));
    } else if (kind === 2) {
      values.push(builder.node("Relu", [x], {}, options));
    } else if (kind === 3) {
      const state = ["weight", "bias", "running_mean", "running_var"]
        .map((key) => weight(`layer${i}.${key}`, [WIDTH]));
      values.push(builder.node("BatchNormalization", [x, ...state], {}, options));
    } else {
      const other = kind === 6 ? second : values[random.integer(values.length)]!;
      values.push(builder.node("Add", [x, other], {}, options));
    }
  }
  const head = [values.at(-1)!, second];
  builder.output(builder.node("Add", head, {}, { name: "head", outputs: ["y"] }), "float32");
  return builder.build();
}
