import type { Graph } from "../core/onnx/mod.ts";
import { Network } from "./network.ts";

/** Width of the stem and of the first block; the second block is twice as wide. */
const WIDTH = 8;

/**
 * A small residual network (He, Zhang, Ren, Sun, 2015) for 8 × 8 digits: [batch, 1, 8, 8] to the
 * logits [batch, 10]. A stem, one block with an identity shortcut, one that halves the image with a
 * strided 1 × 1 projection, global average pooling and a linear layer; names as in torchvision.
 */
export function residual({ seed }: { readonly seed: number }): Graph {
  const net = new Network("residual", seed);
  let x = net.input([1, 8, 8]);
  x = net.conv("conv1", x, {
    inChannels: 1,
    outChannels: WIDTH,
    kernel: 3,
    padding: 1,
    bias: false,
  });
  x = net.relu("relu", net.batchNorm("bn1", x, WIDTH));
  x = block(net, "layer1.0", x, WIDTH, WIDTH, 1);
  x = block(net, "layer2.0", x, WIDTH, 2 * WIDTH, 2);
  x = net.layer("GlobalAveragePool", "avgpool", [x]);
  x = net.flatten("flatten", x);
  x = net.linear("fc", x, 2 * WIDTH, 10, { output: "output" });
  return net.build(x, [10]);
}

/** y = ReLU(BN(Conv(ReLU(BN(Conv(x))))) + shortcut(x)). */
function block(
  net: Network,
  name: string,
  x: string,
  inChannels: number,
  outChannels: number,
  stride: number,
): string {
  const conv = { kernel: 3, padding: 1, bias: false };
  let y = net.conv(`${name}.conv1`, x, { ...conv, inChannels, outChannels, stride });
  y = net.relu(`${name}.relu1`, net.batchNorm(`${name}.bn1`, y, outChannels));
  y = net.conv(`${name}.conv2`, y, { ...conv, inChannels: outChannels, outChannels });
  y = net.batchNorm(`${name}.bn2`, y, outChannels);
  let shortcut = x;
  if (stride !== 1 || inChannels !== outChannels) {
    const projection = { inChannels, outChannels, kernel: 1, stride, bias: false };
    shortcut = net.conv(`${name}.downsample.0`, x, projection);
    shortcut = net.batchNorm(`${name}.downsample.1`, shortcut, outChannels);
  }
  return net.relu(`${name}.relu2`, net.layer("Add", `${name}.add`, [y, shortcut]));
}
