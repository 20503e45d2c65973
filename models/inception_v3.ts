import type { Graph } from "../core/onnx/mod.ts";
import { normal } from "./initial.ts";
import { Network, type Sides } from "./network.ts";

/** Options of `inceptionV3`. */
export interface InceptionV3Options {
  readonly seed: number;
  /** Side of the square images: 32 takes a stem of one layer; else 75 or more, 299 if absent. */
  readonly size?: number;
  /** 1000 if absent. */
  readonly classes?: number;
  /** True for the second head, the output `aux`; it takes images of 299 or about. */
  readonly aux?: boolean;
  /** Share of dropout before the last layer, 0.5 if absent; 0 leaves the layer out. */
  readonly dropout?: number;
  /** Multiple of all widths, 1 if absent. */
  readonly width?: number;
}

/** Side of the images for which the stem is one layer that keeps their size. */
const SMALL = 32;

/** Least side of the images for the long stem. */
const LARGE = 75;

/** Side of the images that it was published for. */
const USUAL = 299;

/**
 * Inception v3 (Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, 2015) in torchvision's layout and with
 * its names: images [batch, 3, size, size] to logits [batch, classes]; at 1000 classes 27,161,264
 * parameters with the second head, 23,834,568 without.
 */
export function inceptionV3(options: InceptionV3Options): Graph {
  const { seed, size = USUAL, classes = 1000, dropout = 0.5, aux = false, width = 1 } = options;
  if (size !== SMALL && size < LARGE) {
    throw new RangeError(
      `Inception v3 takes images of ${SMALL}, or ${LARGE} and more; got ${size}`,
    );
  }
  if (aux && size < USUAL) {
    throw new RangeError(`its second head takes images of ${USUAL} and more`);
  }
  const net = new InceptionNetwork("inception_v3", seed, width);
  const input = net.input([3, size, size]);
  let x = size === SMALL ? net.smallStem(input) : net.stem(input);
  x = net.blockA("Mixed_5b", x, 32);
  x = net.blockA("Mixed_5c", x, 64);
  x = net.blockA("Mixed_5d", x, 64);
  x = net.blockB("Mixed_6a", x);
  x = net.blockC("Mixed_6b", x, 128);
  x = net.blockC("Mixed_6c", x, 160);
  x = net.blockC("Mixed_6d", x, 160);
  x = net.blockC("Mixed_6e", x, 192);
  const middle = x;
  x = net.blockD("Mixed_7a", x);
  x = net.blockE("Mixed_7b", x);
  x = net.blockE("Mixed_7c", x);
  x = net.dropout("dropout", net.flatten("flatten", net.pooled("avgpool", x)), dropout);
  const weight = normal(DEVIATION);
  x = net.linear("fc", x, net.channels, classes, { weight, output: "output" });
  if (!aux) return net.build(x, [classes]);
  net.output(x, [classes]);
  return net.build(net.auxiliary(middle, classes), [classes]);
}

/** Standard deviation of initial weights, as torchvision has it. */
const DEVIATION = 0.1;

/** One convolution of a branch. */
interface Step {
  readonly to: number;
  /** 1 if absent. */
  readonly kernel?: Sides;
  readonly stride?: number;
  /** True to keep the size. */
  readonly padded?: boolean;
  readonly deviation?: number;
}

/** A value and its number of channels. */
interface Maps {
  readonly value: string;
  readonly channels: number;
}

class InceptionNetwork extends Network {
  readonly #channels = new Map<string, number>();
  readonly #width: number;
  /** Channels of the last value that was made. */
  channels = 0;

  constructor(name: string, seed: number, width: number) {
    super(name, seed);
    this.#width = width;
  }

  stem(input: string): string {
    this.#note({ value: input, channels: 3 });
    let x = this.#step("Conv2d_1a_3x3", input, { to: 32, kernel: 3, stride: 2 });
    x = this.#step("Conv2d_2a_3x3", x, { to: 32, kernel: 3 });
    x = this.#step("Conv2d_2b_3x3", x, { to: 64, kernel: 3, padded: true });
    x = this.#shrunk("maxpool1", x);
    x = this.#step("Conv2d_3b_1x1", x, { to: 80 });
    x = this.#step("Conv2d_4a_3x3", x, { to: 192, kernel: 3 });
    return this.#shrunk("maxpool2", x);
  }

  smallStem(input: string): string {
    this.#note({ value: input, channels: 3 });
    return this.#step("Conv2d_1a_3x3", input, { to: 192, kernel: 3, padded: true });
  }

  blockA(name: string, x: string, pooled: number): string {
    return this.#concat(name, [
      this.#path(name, x, { branch1x1: { to: 64 } }),
      this.#path(name, x, {
        branch5x5_1: { to: 48 },
        branch5x5_2: { to: 64, kernel: 5, padded: true },
      }),
      this.#path(name, x, {
        branch3x3dbl_1: { to: 64 },
        branch3x3dbl_2: { to: 96, kernel: 3, padded: true },
        branch3x3dbl_3: { to: 96, kernel: 3, padded: true },
      }),
      this.#average(name, x, pooled),
    ]);
  }

  blockB(name: string, x: string): string {
    return this.#concat(name, [
      this.#path(name, x, { branch3x3: { to: 384, kernel: 3, stride: 2 } }),
      this.#path(name, x, {
        branch3x3dbl_1: { to: 64 },
        branch3x3dbl_2: { to: 96, kernel: 3, padded: true },
        branch3x3dbl_3: { to: 96, kernel: 3, stride: 2 },
      }),
      this.#shrunk(`${name}.branch_pool`, x),
    ]);
  }

  blockC(name: string, x: string, inner: number): string {
    const [row, column]: Sides[] = [[1, 7], [7, 1]];
    const wide = { to: inner, padded: true };
    return this.#concat(name, [
      this.#path(name, x, { branch1x1: { to: 192 } }),
      this.#path(name, x, {
        branch7x7_1: { to: inner },
        branch7x7_2: { ...wide, kernel: row! },
        branch7x7_3: { to: 192, padded: true, kernel: column! },
      }),
      this.#path(name, x, {
        branch7x7dbl_1: { to: inner },
        branch7x7dbl_2: { ...wide, kernel: column! },
        branch7x7dbl_3: { ...wide, kernel: row! },
        branch7x7dbl_4: { ...wide, kernel: column! },
        branch7x7dbl_5: { to: 192, padded: true, kernel: row! },
      }),
      this.#average(name, x, 192),
    ]);
  }

  blockD(name: string, x: string): string {
    return this.#concat(name, [
      this.#path(name, x, {
        branch3x3_1: { to: 192 },
        branch3x3_2: { to: 320, kernel: 3, stride: 2 },
      }),
      this.#path(name, x, {
        branch7x7x3_1: { to: 192 },
        branch7x7x3_2: { to: 192, kernel: [1, 7], padded: true },
        branch7x7x3_3: { to: 192, kernel: [7, 1], padded: true },
        branch7x7x3_4: { to: 192, kernel: 3, stride: 2 },
      }),
      this.#shrunk(`${name}.branch_pool`, x),
    ]);
  }

  blockE(name: string, x: string): string {
    const row = { to: 384, kernel: [1, 3], padded: true } as const;
    const column = { to: 384, kernel: [3, 1], padded: true } as const;
    const single = this.#path(name, x, { branch3x3_1: { to: 384 } });
    const double = this.#path(name, x, {
      branch3x3dbl_1: { to: 448 },
      branch3x3dbl_2: { to: 384, kernel: 3, padded: true },
    });
    return this.#concat(name, [
      this.#path(name, x, { branch1x1: { to: 320 } }),
      this.#concat(`${name}.branch3x3`, [
        this.#path(name, single, { branch3x3_2a: row }),
        this.#path(name, single, { branch3x3_2b: column }),
      ]),
      this.#concat(`${name}.branch3x3dbl`, [
        this.#path(name, double, { branch3x3dbl_3a: row }),
        this.#path(name, double, { branch3x3dbl_3b: column }),
      ]),
      this.#average(name, x, 192),
    ]);
  }

  /** The second head, on maps of 17 × 17. */
  auxiliary(x: string, classes: number): string {
    const name = "AuxLogits";
    const y = this.averagePool(`${name}.pool`, x, { kernel: 5, stride: 3 });
    this.#note({ value: y, channels: this.#channels.get(x)! });
    const steps = { conv0: { to: 128 }, conv1: { to: 768, kernel: 5, deviation: 0.01 } };
    const flat = this.flatten(
      `${name}.flatten`,
      this.pooled(`${name}.gap`, this.#path(name, y, steps)),
    );
    const weight = normal(0.001);
    return this.linear(`${name}.fc`, flat, this.channels, classes, { weight, output: "aux" });
  }

  /** The mean of each map, [batch, channels, 1, 1]. */
  pooled(name: string, x: string): string {
    return this.#note({
      value: this.layer("GlobalAveragePool", name, [x]),
      channels: this.#channels.get(x)!,
    });
  }

  #note({ value, channels }: Maps): string {
    this.#channels.set(value, channels);
    this.channels = channels;
    return value;
  }

  /** Convolution, normalization, ReLU. */
  #step(name: string, x: string, o: Step): string {
    const { kernel = 1, stride = 1, padded = false, deviation = DEVIATION } = o;
    const outChannels = Math.ceil(o.to * this.#width);
    const [height, width] = typeof kernel === "number" ? [kernel, kernel] : kernel;
    const y = this.conv(`${name}.conv`, x, {
      inChannels: this.#channels.get(x)!,
      outChannels,
      kernel,
      stride,
      padding: padded ? [(height - 1) / 2, (width - 1) / 2] : 0,
      bias: false,
      weight: normal(deviation),
    });
    const value = this.relu(`${name}.relu`, this.batchNorm(`${name}.bn`, y, outChannels, 1e-3));
    return this.#note({ value, channels: outChannels });
  }

  /** Convolutions one after another. */
  #path(name: string, x: string, steps: Readonly<Record<string, Step>>): string {
    return Object.entries(steps)
      .reduce((value, [step, options]) => this.#step(`${name}.${step}`, value, options), x);
  }

  /** Means of 3 × 3, then a convolution. */
  #average(name: string, x: string, to: number): string {
    const options = { kernel: 3, stride: 1, padding: 1 };
    const y = this.averagePool(`${name}.average`, x, options);
    this.#note({ value: y, channels: this.#channels.get(x)! });
    return this.#path(name, y, { branch_pool: { to } });
  }

  /** Maxima of 3 × 3, every second one. */
  #shrunk(name: string, x: string): string {
    const value = this.maxPool(name, x, { kernel: 3, stride: 2 });
    return this.#note({ value, channels: this.#channels.get(x)! });
  }

  #concat(name: string, branches: readonly string[]): string {
    const value = this.layer("Concat", `${name}.concat`, branches, { axis: 1 });
    const channels = branches.reduce((sum, branch) => sum + this.#channels.get(branch)!, 0);
    return this.#note({ value, channels });
  }
}
