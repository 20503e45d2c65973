/** The example networks, by the names that `ravn init --model` takes. */
import type { Graph } from "../core/onnx/mod.ts";
import { digitsCnn } from "./digits_cnn.ts";
import { lenet } from "./lenet.ts";
import { mlp } from "./mlp.ts";
import { residual } from "./residual.ts";

export { digitsCnn, lenet, mlp, residual };
export { Network } from "./network.ts";
export type { ConvOptions } from "./network.ts";
export type { MlpOptions } from "./mlp.ts";

/** One example network. Its input is called `input`, its output `output`. */
export interface Example {
  readonly name: string;
  /** One line for a list. */
  readonly describe: string;
  /** Shape of one sample; the model's input is [batch, ...input], float32. */
  readonly input: readonly number[];
  /** Number of classes; the model's output is [batch, classes]. */
  readonly classes: number;
  /** The loss that suits the output: `mse` for probabilities, `cross_entropy` for logits. */
  readonly loss: "mse" | "cross_entropy";
  /** Makes the network with initial parameters from the seed. */
  build(options: { readonly seed: number }): Graph;
}

/** All example networks. */
export const EXAMPLES: readonly Example[] = [
  {
    name: "digits_cnn",
    describe: "CNN with dropout and batch norm for 8x8 digits, 16,426 parameters",
    input: [1, 8, 8],
    classes: 10,
    loss: "mse",
    build: digitsCnn,
  },
  {
    name: "mlp",
    describe: "perceptron 784-1024-1024-10, 1,863,690 parameters",
    input: [784],
    classes: 10,
    loss: "cross_entropy",
    build: mlp,
  },
  {
    name: "lenet",
    describe: "LeNet-5 for 28x28 images, 61,706 parameters",
    input: [1, 28, 28],
    classes: 10,
    loss: "cross_entropy",
    build: lenet,
  },
  {
    name: "residual",
    describe: "small residual network with batch norm for 8x8 digits, 5,122 parameters",
    input: [1, 8, 8],
    classes: 10,
    loss: "cross_entropy",
    build: residual,
  },
];

/** The example network called `name`, or undefined. */
export function exampleNamed(name: string): Example | undefined {
  return EXAMPLES.find((example) => example.name === name);
}
