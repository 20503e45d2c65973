import {
  type AttributeValue,
  type Dimension,
  type DType,
  elementCount,
  type Graph,
  GraphBuilder,
  tensor,
} from "../core/onnx/mod.ts";
import type { NodeOptions, Tensor } from "../core/onnx/mod.ts";
import { Random } from "../core/random.ts";
import { byFanIn, constant, type Initial } from "./initial.ts";

/** One number for both sides of an image, or height and width. */
export type Sides = number | readonly [number, number];

/** Shape of a convolution. */
export interface ConvOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: Sides;
  /** 1 if absent. */
  readonly stride?: number;
  /** Zeros on each side, 0 if absent. */
  readonly padding?: Sides;
  /** Parts into which the channels fall, 1 if absent; depthwise with as many as `inChannels`. */
  readonly groups?: number;
  /** False leaves the bias out. */
  readonly bias?: boolean;
  /** Initial weights, PyTorch's default if absent. */
  readonly weight?: Initial;
}

/** How a linear layer differs from PyTorch's default. */
export interface LinearOptions {
  /** Initial values; uniform within 1/√inFeatures if absent. */
  readonly weight?: Initial;
  readonly bias?: Initial;
  /** Name of the layer's value. */
  readonly output?: string;
}

/** A pooling layer over square windows. */
export interface PoolOptions {
  /** 2 if absent. */
  readonly kernel?: number;
  /** As `kernel` if absent. */
  readonly stride?: number;
  readonly padding?: number;
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

  /** An input of the network, [batch, ...shape]. */
  input(shape: readonly number[], name = "input", dtype: DType = "float32"): string {
    return this.#builder.input(name, dtype, ["batch", ...shape]);
  }

  /** Makes a float32 value an output of the network, [batch, ...shape]. */
  output(value: string, shape: readonly Dimension[]): void {
    this.#builder.output(value, "float32", ["batch", ...shape]);
  }

  /** Makes the result of the layer `value` the last output, [batch, ...shape]; and the graph. */
  build(value: string, shape: readonly Dimension[]): Graph {
    this.output(value, shape);
    return this.#builder.build();
  }

  /** Conv2d: [batch, in, h, w] to [batch, out, h', w'], h' = (h + 2·padding - kernel)/stride + 1 */
  conv(name: string, x: string, o: ConvOptions): string {
    const { stride = 1, groups = 1 } = o;
    const [kernel, padding] = [pair(o.kernel), pair(o.padding ?? 0)];
    const dims = [o.outChannels, o.inChannels / groups, ...kernel];
    const initial = byFanIn(elementCount(dims.slice(1)));
    const inputs = [x, this.parameter(`${name}.weight`, dims, o.weight ?? initial)];
    if (o.bias !== false) {
      inputs.push(this.parameter(`${name}.bias`, [o.outChannels], initial));
    }
    return this.layer("Conv", name, inputs, {
      kernel_shape: kernel,
      strides: [stride, stride],
      pads: [...padding, ...padding],
      ...(groups === 1 ? {} : { group: groups }),
    });
  }

  /** Linear: [rows, inFeatures] to [rows, outFeatures], y = x·Wᵀ + b. */
  linear(
    name: string,
    x: string,
    inFeatures: number,
    outFeatures: number,
    o: LinearOptions = {},
  ): string {
    const standard = byFanIn(inFeatures);
    const dims = [outFeatures, inFeatures];
    const weight = this.parameter(`${name}.weight`, dims, o.weight ?? standard);
    const bias = this.parameter(`${name}.bias`, [outFeatures], o.bias ?? standard);
    return this.layer("Gemm", name, [x, weight, bias], { transB: 1 }, o.output);
  }

  /**
   * BatchNorm over the second dimension, in inference form; momentum 0.1 as PyTorch counts it,
   * which is the weight of the new value, and 0.9 as ONNX does.
   */
  batchNorm(name: string, x: string, channels: number, epsilon = 1e-5): string {
    const starts = { weight: 1, bias: 0, running_mean: 0, running_var: 1 };
    const inputs = Object.entries(starts).map(([key, value]) =>
      this.parameter(`${name}.${key}`, [channels], constant(value))
    );
    return this.layer("BatchNormalization", name, [x, ...inputs], {
      epsilon: { type: "float", value: epsilon },
      momentum: { type: "float", value: 0.9 },
    });
  }

  /** LayerNorm over the last dimension, of size `width`. */
  layerNorm(name: string, x: string, width: number, epsilon = 1e-5): string {
    const weight = this.parameter(`${name}.weight`, [width], constant(1));
    const bias = this.parameter(`${name}.bias`, [width], constant(0));
    return this.layer("LayerNormalization", name, [x, weight, bias], {
      axis: -1,
      epsilon: { type: "float", value: epsilon },
    });
  }

  relu(name: string, x: string): string {
    return this.layer("Relu", name, [x]);
  }

  /** MaxPool2d, by default with windows of 2 × 2 side by side. */
  maxPool(name: string, x: string, o: PoolOptions = {}): string {
    return this.layer("MaxPool", name, [x], poolAttributes(o));
  }

  /** AvgPool2d, which counts the padding in, as PyTorch does. */
  averagePool(name: string, x: string, o: PoolOptions): string {
    const attributes = { ...poolAttributes(o), count_include_pad: 1 };
    return this.layer("AveragePool", name, [x], attributes);
  }

  /** Dropout of the share `ratio`; ONNX Runtime passes the values on unless it is in training. */
  dropout(name: string, x: string, ratio: number): string {
    if (ratio === 0) return x;
    const share = this.#builder.initializer(`${name}.ratio`, tensor("float32", [], [ratio]));
    return this.layer("Dropout", name, [x, share]);
  }

  /** [batch, ...] to [batch, product of the others]. */
  flatten(name: string, x: string): string {
    return this.layer("Flatten", name, [x], { axis: 1 });
  }

  /** Reshape, with -1 for the one size that follows the batch. */
  reshape(name: string, x: string, dims: readonly number[], output?: string): string {
    return this.layer("Reshape", name, [x, this.integers(name, dims)], {}, output);
  }

  /** A layer without parameters of its own, by its operator. */
  layer(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output = `${name}_out`,
  ): string {
    return this.#builder.node(op, inputs, attributes, { name, outputs: [output] });
  }

  /** A layer of another operator set or with several values. */
  layers(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    options: NodeOptions,
  ): string[] {
    return this.#builder.nodes(op, inputs, attributes, options);
  }

  /** A constant integer vector of the layer `name`. */
  integers(name: string, values: readonly number[]): string {
    return this.fixed(name, tensor("int64", [values.length], values));
  }

  /** A constant of the layer `name`, which training leaves alone. */
  fixed(name: string, value: Tensor): string {
    return this.#builder.constant(value, `${name}.constant`);
  }

  /** A trained tensor under its whole name. Its values depend on the seed and on that name. */
  parameter(name: string, dims: readonly number[], initial: Initial): string {
    const values = new Float32Array(elementCount(dims));
    initial(values, this.#random.fork(name));
    const bytes = new Uint8Array(values.buffer);
    return this.#builder.initializer(name, { dtype: "float32", dims: [...dims], bytes });
  }
}

function pair(sides: Sides): readonly [number, number] {
  return typeof sides === "number" ? [sides, sides] : sides;
}

function poolAttributes({ kernel = 2, stride = kernel, padding = 0 }: PoolOptions) {
  const both = [kernel, kernel];
  const pads = padding === 0 ? {} : { pads: [padding, padding, padding, padding] };
  return { kernel_shape: both, strides: [stride, stride], ...pads };
}
