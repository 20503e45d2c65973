import type { Graph } from "../core/onnx/mod.ts";
import { Network } from "./network.ts";

/**
 * LeNet-5 (LeCun, Bottou, Bengio, Haffner, 1998) as it is written today, with ReLU and max pooling,
 * for images of 28 × 28: [batch, 1, 28, 28] to the logits [batch, 10]; 61,706 parameters.
 */
export function lenet({ seed }: { readonly seed: number }): Graph {
  const net = new Network("lenet", seed);
  let x = net.input([1, 28, 28]);
  x = net.conv("conv1", x, { inChannels: 1, outChannels: 6, kernel: 5, padding: 2 });
  x = net.maxPool("pool1", net.relu("relu1", x));
  x = net.conv("conv2", x, { inChannels: 6, outChannels: 16, kernel: 5 });
  x = net.maxPool("pool2", net.relu("relu2", x));
  x = net.flatten("flatten", x);
  x = net.relu("relu3", net.linear("fc1", x, 16 * 5 * 5, 120));
  x = net.relu("relu4", net.linear("fc2", x, 120, 84));
  x = net.linear("fc3", x, 84, 10, { output: "output" });
  return net.build(x, [10]);
}
