import { type Graph, tensor } from "../core/onnx/mod.ts";
import { byFanOut, constant, normal } from "./initial.ts";
import { Network } from "./network.ts";

/** Options of `mobilenetV2`. */
export interface MobileNetV2Options {
  readonly seed: number;
  /** Side of the square images, at least 32; 224 if absent. */
  readonly size?: number;
  /** 1000 if absent. */
  readonly classes?: number;
  /** Share of dropout before the last layer, 0.2 if absent; 0 leaves the layer out. */
  readonly dropout?: number;
  /** Multiple of all widths but the last layer's when it is below 1; 1 if absent. */
  readonly width?: number;
}

/** The groups of blocks: expansion, channels, number of blocks, stride of the first (table 2). */
const GROUPS = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

const STEM = 32;
const LAST = 1280;

/**
 * MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov, Chen, 2018) in torchvision's layout and with its
 * names: images [batch, 3, size, size] to logits [batch, classes]; 3,504,872 parameters at 1000
 * classes.
 */
export function mobilenetV2(options: MobileNetV2Options): Graph {
  const { seed, size = 224, classes = 1000, dropout = 0.2, width = 1 } = options;
  const net = new InvertedNetwork("mobilenet_v2", seed);
  let from = divisibleByEight(STEM * width);
  let x = net.step("features.0", net.input([3, size, size]), { from: 3, to: from, stride: 2 });
  let place = 1;
  for (const [expansion, channels, count, first] of GROUPS) {
    const to = divisibleByEight(channels * width);
    for (let i = 0; i < count; i++) {
      const stride = i === 0 ? first : 1;
      x = net.block(`features.${place++}.conv`, x, { from, to, stride, expansion });
      from = to;
    }
  }
  const last = divisibleByEight(LAST * Math.max(1, width));
  x = net.step(`features.${place}`, x, { from, to: last, stride: 1, kernel: 1 });
  x = net.flatten("flatten", net.layer("GlobalAveragePool", "avgpool", [x]));
  x = net.dropout("classifier.0", x, dropout);
  const initial = { weight: normal(0.01), bias: constant(0) };
  x = net.linear("classifier.1", x, last, classes, { ...initial, output: "output" });
  return net.build(x, [classes]);
}

/** The multiple of 8 nearest to a width, but not less than nine tenths of it. */
function divisibleByEight(width: number): number {
  const near = Math.max(8, Math.floor((width + 4) / 8) * 8);
  return near < 0.9 * width ? near + 8 : near;
}

interface Step {
  readonly from: number;
  readonly to: number;
  readonly stride: number;
  /** 3 if absent. */
  readonly kernel?: number;
  /** True for one filter a channel. */
  readonly depthwise?: boolean;
  /** False for the last layer of a block, which is linear. */
  readonly activated?: boolean;
}

class InvertedNetwork extends Network {
  #bounds: readonly string[] | undefined;

  /** Convolution, normalization and ReLU6, named `.0`, `.1` and `.2`. */
  step(name: string, x: string, o: Step): string {
    return this.#named(name, `${name}.0`, `${name}.1`, x, o);
  }

  /**
   * Expand with 1 × 1, filter each channel with 3 × 3, project with 1 × 1; x is added where the
   * shape stays.
   */
  block(name: string, x: string, o: Step & { readonly expansion: number }): string {
    const inner = o.from * o.expansion;
    let y = x;
    let place = 0;
    if (o.expansion !== 1) {
      y = this.step(`${name}.${place++}`, y, { from: o.from, to: inner, stride: 1, kernel: 1 });
    }
    const filter = { from: inner, to: inner, stride: o.stride, depthwise: true };
    y = this.step(`${name}.${place++}`, y, filter);
    const project = { from: inner, to: o.to, stride: 1, kernel: 1, activated: false };
    y = this.#named(name, `${name}.${place}`, `${name}.${place + 1}`, y, project);
    const keeps = o.stride === 1 && o.from === o.to;
    return keeps ? this.layer("Add", `${name}.add`, [x, y]) : y;
  }

  #named(name: string, conv: string, norm: string, x: string, o: Step): string {
    const { from, to, stride, kernel = 3, depthwise = false, activated = true } = o;
    const groups = depthwise ? from : 1;
    const y = this.conv(conv, x, {
      inChannels: from,
      outChannels: to,
      kernel,
      stride,
      padding: (kernel - 1) / 2,
      groups,
      bias: false,
      weight: byFanOut(to * kernel * kernel),
    });
    const normed = this.batchNorm(norm, y, to);
    return activated ? this.#relu6(`${name}.2`, normed) : normed;
  }

  #relu6(name: string, x: string): string {
    this.#bounds ??= [0, 6].map((bound) => this.fixed("relu6", tensor("float32", [], [bound])));
    return this.layer("Clip", name, [x, ...this.#bounds]);
  }
}
