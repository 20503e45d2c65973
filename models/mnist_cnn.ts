import type { Graph } from "../core/onnx/mod.ts";
import { Network } from "./network.ts";

/** Options of `mnistCnn`. */
export interface MnistCnnOptions {
  readonly seed: number;
  /** Side of the square images, 28 if absent. */
  readonly size?: number;
  /** Number of filters, 3 if absent. */
  readonly filters?: number;
  /** Side of a filter, 5 if absent. */
  readonly kernel?: number;
  /** Zeros on each side of an image, 0 if absent. */
  readonly padding?: number;
  /** Width of the hidden layer, 64 if absent. */
  readonly width?: number;
}

const CLASSES = 10;

/**
 * The network of DiNNO's MNIST experiments (Yu, Vincent, Schwager, 2021), with its names: images
 * [batch, 1, size, size] to logarithms of probabilities [batch, 10]. One convolution, two linear
 * layers; 28,440 parameters.
 */
export function mnistCnn(options: MnistCnnOptions): Graph {
  const { seed, size = 28, filters = 3, kernel = 5, padding = 0, width = 64 } = options;
  const net = new Network("mnist_cnn", seed);
  let x = net.input([1, size, size]);
  x = net.conv("seq.0", x, { inChannels: 1, outChannels: filters, kernel, padding });
  x = net.flatten("seq.3", net.maxPool("seq.2", net.relu("seq.1", x)));
  const side = Math.floor((size + 2 * padding - kernel + 1) / 2);
  x = net.relu("seq.5", net.linear("seq.4", x, filters * side * side, width));
  x = net.linear("seq.6", x, width, CLASSES);
  return net.build(net.layer("LogSoftmax", "seq.7", [x], { axis: 1 }, "output"), [CLASSES]);
}
