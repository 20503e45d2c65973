import { type Graph, tensor } from "../core/onnx/mod.ts";
import { uniform } from "./initial.ts";
import { Network } from "./network.ts";

/** Options of `fourier`. */
export interface FourierOptions {
  readonly seed: number;
  /** Width of the input, the hidden layers and the output; at least three numbers. */
  readonly widths?: readonly number[];
  /** Factor within the sine, 0.05 if absent. */
  readonly scale?: number;
}

/**
 * The network that DiNNO's density experiments fit to a map (Yu, Vincent, Schwager, 2021), with its
 * names: places [batch, 2] to densities [batch, 1], 0 to 1. Its first layer is sin(scale (Wx + b)),
 * started as in "Implicit Neural Representations with Periodic Activation Functions" (Sitzmann et
 * al. 2020) but by the width of the output; ReLU follows it and the others, a sigmoid the last;
 * 25,601 parameters.
 */
export function fourier(options: FourierOptions): Graph {
  const { seed, widths = [2, 256, 64, 64, 64, 1], scale = 0.05 } = options;
  if (widths.length < 3) throw new RangeError(`three widths or more are needed, got [${widths}]`);
  const net = new Network("fourier", seed);
  const weight = uniform(Math.sqrt(6 / widths[1]!));
  let x = net.linear("seq.0.linear", net.input([widths[0]!]), widths[0]!, widths[1]!, { weight });
  const factor = net.fixed("seq.0", tensor("float32", [], [scale]));
  x = net.layer("Sin", "seq.0", [net.layer("Mul", "seq.0.scale", [x, factor])]);
  for (let i = 2; i < widths.length; i++) {
    const place = 2 * (i - 1);
    x = net.relu(`seq.${place - 1}`, x);
    x = net.linear(`seq.${place}`, x, widths[i - 1]!, widths[i]!);
  }
  const last = 2 * widths.length - 3;
  return net.build(net.layer("Sigmoid", `seq.${last}`, [x], {}, "output"), [widths.at(-1)!]);
}
