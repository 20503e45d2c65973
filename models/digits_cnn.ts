import type { Graph } from "../core/onnx/mod.ts";
import { Network } from "./network.ts";

/**
 * The CNN of Ravnest's walkthrough for 8 × 8 digits: [batch, 1, 8, 8] to the probabilities
 * [batch, 10]. Two blocks of convolution, pooling, dropout and batch norm, two dense layers, a
 * softmax; 16,426 trainable parameters.
 */
export function digitsCnn({ seed }: { readonly seed: number }): Graph {
  const net = new Network("digits_cnn", seed);
  let x = net.input([1, 8, 8]);
  x = net.conv("conv2d_1", x, { inChannels: 1, outChannels: 16, kernel: 3, padding: 1 });
  x = net.relu("act_1", x);
  x = net.maxPool("maxpool2d_1", x);
  x = net.dropout("drp_1", x, 0.25);
  x = net.batchNorm("bn_1", x, 16);
  x = net.maxPool("maxpool2d_2", x);
  x = net.conv("conv2d_2", x, { inChannels: 16, outChannels: 32, kernel: 3, padding: 1 });
  x = net.relu("act_2", x);
  x = net.maxPool("maxpool2d_3", x);
  x = net.dropout("drp_2", x, 0.25);
  x = net.batchNorm("bn_2", x, 32);
  x = net.flatten("flatten", x);
  x = net.linear("dense_1", x, 32, 256);
  x = net.relu("act_3", x);
  x = net.dropout("drp_3", x, 0.4);
  x = net.batchNorm("bn_3", x, 256);
  x = net.linear("dense_2", x, 256, 10);
  x = net.layer("Softmax", "act_4", [x], { axis: -1 }, "output");
  return net.build(x, [10]);
}
