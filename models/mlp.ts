import type { Graph } from "../core/onnx/mod.ts";
import { Network } from "./network.ts";

/** Options of `mlp`. */
export interface MlpOptions {
  readonly seed: number;
  /** Width of the input, the hidden layers and the output; at least two numbers. */
  readonly widths?: readonly number[];
}

/** A perceptron with ReLU between its layers: [batch, first width] to the logits [batch, last]. */
export function mlp({ seed, widths = [784, 1024, 1024, 10] }: MlpOptions): Graph {
  if (widths.length < 2) throw new RangeError(`an MLP has two widths or more, got [${widths}]`);
  const net = new Network("mlp", seed);
  let x = net.input([widths[0]!]);
  for (let i = 1; i < widths.length; i++) {
    const last = i === widths.length - 1;
    const options = last ? { output: "output" } : {};
    x = net.linear(`fc${i}`, x, widths[i - 1]!, widths[i]!, options);
    if (!last) x = net.relu(`relu${i}`, x);
  }
  return net.build(x, [widths.at(-1)!]);
}
