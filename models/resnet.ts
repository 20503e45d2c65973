import type { Graph } from "../core/onnx/mod.ts";
import { byFanOut } from "./initial.ts";
import { Network } from "./network.ts";

/** Options of a residual network. */
export interface ResNetOptions {
  readonly seed: number;
  /** Side of the square images, at least 32; 224 if absent. */
  readonly size?: number;
  /** 1000 if absent. */
  readonly classes?: number;
  /** Width of the stem and of the first group of blocks, 64 if absent. */
  readonly width?: number;
}

/** Number of blocks in each of the four groups, and whether a block narrows its 3 × 3 layer. */
interface Layout {
  readonly name: string;
  readonly blocks: readonly number[];
  readonly bottleneck: boolean;
}

/** Channels out of a bottleneck block, as a multiple of those of its 3 × 3 layer. */
const EXPANSION = 4;

/**
 * ResNet-18 (He, Zhang, Ren, Sun, 2015) in torchvision's layout and with its names: images [batch,
 * 3, size, size] to logits [batch, classes]; 11,689,512 parameters at 1000 classes.
 */
export function resnet18(options: ResNetOptions): Graph {
  return resnet({ name: "resnet18", blocks: [2, 2, 2, 2], bottleneck: false }, options);
}

/** ResNet-50, likewise; 25,557,032 parameters at 1000 classes. Strides sit in the 3 × 3 layers. */
export function resnet50(options: ResNetOptions): Graph {
  return resnet({ name: "resnet50", blocks: [3, 4, 6, 3], bottleneck: true }, options);
}

function resnet(
  { name, blocks, bottleneck }: Layout,
  { seed, size = 224, classes = 1000, width = 64 }: ResNetOptions,
): Graph {
  const net = new ResidualNetwork(name, seed);
  let x = net.input([3, size, size]);
  x = net.convNorm("conv1", "bn1", x, { from: 3, to: width, kernel: 7, stride: 2 });
  x = net.maxPool("maxpool", net.relu("relu", x), { kernel: 3, stride: 2, padding: 1 });
  let from = width;
  for (const [group, count] of blocks.entries()) {
    const inner = width * 2 ** group;
    const to = bottleneck ? EXPANSION * inner : inner;
    for (let i = 0; i < count; i++) {
      const stride = group > 0 && i === 0 ? 2 : 1;
      const path = `layer${group + 1}.${i}`;
      x = net.block(path, x, bottleneck ? [1, 3, 1] : [3, 3], { from, inner, to, stride });
      from = to;
    }
  }
  x = net.flatten("flatten", net.layer("GlobalAveragePool", "avgpool", [x]));
  x = net.linear("fc", x, from, classes, { output: "output" });
  return net.build(x, [classes]);
}

/** A convolution's channels, kernel and stride; it pads so that stride 1 keeps the size. */
interface Step {
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly stride: number;
}

class ResidualNetwork extends Network {
  /** A convolution without bias, and its normalization. */
  convNorm(conv: string, norm: string, x: string, { from, to, kernel, stride }: Step): string {
    const y = this.conv(conv, x, {
      inChannels: from,
      outChannels: to,
      kernel,
      stride,
      padding: (kernel - 1) / 2,
      bias: false,
      weight: byFanOut(to * kernel * kernel),
    });
    return this.batchNorm(norm, y, to);
  }

  /**
   * y = ReLU(f(x) + shortcut(x)), f being a convolution for each of `kernels`, with ReLU between
   * them; the first of 3 × 3 takes the stride. The shortcut is a 1 × 1 convolution where the shape
   * changes.
   */
  block(
    name: string,
    x: string,
    kernels: readonly number[],
    o: { readonly from: number; readonly inner: number; readonly to: number; stride: number },
  ): string {
    const strided = kernels.indexOf(3);
    const last = kernels.length - 1;
    let y = x;
    for (const [i, kernel] of kernels.entries()) {
      const from = i === 0 ? o.from : o.inner;
      const step = { from, to: i === last ? o.to : o.inner, kernel };
      const stride = i === strided ? o.stride : 1;
      y = this.convNorm(`${name}.conv${i + 1}`, `${name}.bn${i + 1}`, y, { ...step, stride });
      if (i < last) y = this.relu(`${name}.relu${i + 1}`, y);
    }
    let shortcut = x;
    if (o.stride !== 1 || o.from !== o.to) {
      const [conv, norm] = [`${name}.downsample.0`, `${name}.downsample.1`];
      shortcut = this.convNorm(conv, norm, x, { ...o, kernel: 1 });
    }
    return this.relu(`${name}.relu`, this.layer("Add", `${name}.add`, [y, shortcut]));
  }
}
