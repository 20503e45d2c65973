import {
  type AttributeValue,
  type Dimension,
  elementCount,
  type Graph,
  GraphBuilder,
  tensor,
} from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";

/** Shape of a convolution. */
export interface ConvOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the square kernel. */
  readonly kernel: number;
  /** 1 if absent. */
  readonly stride?: number;
  /** Zeros on each side, 0 if absent. */
  readonly padding?: number;
  /** False leaves the bias out. */
  readonly bias?: boolean;
}

/**
 * Builds a network layer by layer, with PyTorch's layers, parameter names and initial values. A
 * layer named `fc` has the node `fc` and the parameters `fc.weight` and `fc.bias`, as in a PyTorch
 * state_dict. The values depend on seed and name alone. Images are [batch, channels, height,
 * width].
 */
export class Network {
  readonly #builder: GraphBuilder;
  readonly #random: Random;

  constructor(name: string, seed: number) {
    this.#builder = new GraphBuilder(name);
    this.#random = new Random(seed).fork("parameters");
  }

  /** The network's input: float32, [batch, ...shape]. */
  input(shape: readonly number[]): string {
    return this.#builder.input("input", "float32", ["batch", ...shape]);
  }

  /** Makes the result of the layer `value` the network's output, [batch, ...shape]. */
  build(value: string, shape: readonly Dimension[]): Graph {
    this.#builder.output(value, "float32", ["batch", ...shape]);
    return this.#builder.build();
  }

  /** Conv2d: [batch, in, h, w] to [batch, out, h', w'], h' = (h + 2·padding - kernel)/stride + 1 */
  conv(name: string, x: string, o: ConvOptions): string {
    const { kernel, stride = 1, padding = 0 } = o;
    const fanIn = o.inChannels * kernel * kernel;
    const inputs = [
      x,
      this.#parameter(name, "weight", [o.outChannels, o.inChannels, kernel, kernel], fanIn),
    ];
    if (o.bias !== false) inputs.push(this.#parameter(name, "bias", [o.outChannels], fanIn));
    return this.layer("Conv", name, inputs, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    });
  }

  /** Linear: [batch, inFeatures] to [batch, outFeatures], y = x·Wᵀ + b. */
  linear(
    name: string,
    x: string,
    inFeatures: number,
    outFeatures: number,
    output?: string,
  ): string {
    const weight = this.#parameter(name, "weight", [outFeatures, inFeatures], inFeatures);
    const bias = this.#parameter(name, "bias", [outFeatures], inFeatures);
    return this.layer("Gemm", name, [x, weight, bias], { transB: 1 }, output);
  }

  /**
   * BatchNorm over the second dimension, in inference form; momentum 0.1 as PyTorch counts it,
   * which is the weight of the new value, and 0.9 as ONNX does.
   */
  batchNorm(name: string, x: string, channels: number): string {
    const fill = (key: string, value: number) =>
      this.#builder.initializer(
        `${name}.${key}`,
        tensor("float32", [channels], new Float32Array(channels).fill(value)),
      );
    const inputs = [
      x,
      fill("weight", 1),
      fill("bias", 0),
      fill("running_mean", 0),
      fill("running_var", 1),
    ];
    return this.layer("BatchNormalization", name, inputs, {
      epsilon: { type: "float", value: 1e-5 },
      momentum: { type: "float", value: 0.9 },
    });
  }

  relu(name: string, x: string): string {
    return this.layer("Relu", name, [x]);
  }

  /** MaxPool2d with windows of 2 × 2 side by side. */
  maxPool(name: string, x: string): string {
    return this.layer("MaxPool", name, [x], { kernel_shape: [2, 2], strides: [2, 2] });
  }

  /** Dropout of the share `ratio`; ONNX Runtime passes the values on unless it is in training. */
  dropout(name: string, x: string, ratio: number): string {
    const constant = this.#builder.initializer(`${name}.ratio`, tensor("float32", [], [ratio]));
    return this.layer("Dropout", name, [x, constant]);
  }

  /** [batch, ...] to [batch, product of the others]. */
  flatten(name: string, x: string): string {
    return this.layer("Flatten", name, [x], { axis: 1 });
  }

  /** A layer without parameters, by its operator. */
  layer(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output = `${name}_out`,
  ): string {
    return this.#builder.node(op, inputs, attributes, { name, outputs: [output] });
  }

  /**
   * PyTorch's default for Linear and Conv: kaiming_uniform with a = √5, the bound of which is
   * √(6 / ((1 + a²)·fan_in)), hence U(-1/√fan_in, 1/√fan_in) for weight and bias alike.
   */
  #parameter(layer: string, key: string, dims: readonly number[], fanIn: number): string {
    const name = `${layer}.${key}`;
    const random = this.#random.fork(name);
    const bound = 1 / Math.sqrt(fanIn);
    const values = new Float32Array(elementCount(dims));
    for (let i = 0; i < values.length; i++) values[i] = (2 * random.uniform() - 1) * bound;
    return this.#builder.initializer(name, tensor("float32", dims, values));
  }
}
