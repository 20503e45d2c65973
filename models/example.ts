import type { Graph } from "../core/onnx/mod.ts";

/** An input of an example network. */
export interface ExampleInput {
  readonly name: string;
  /** Shape of one sample; the model's input is [batch, ...shape]. */
  readonly shape: readonly number[];
  /** Absent for float32; else the values are int64, from 0 to this less 1. */
  readonly below?: number;
}

/** An output of an example network, and what it is compared with. */
export interface ExampleOutput {
  readonly name: string;
  /** Shape for one sample; the model's output is [batch, ...shape], float32. */
  readonly shape: readonly number[];
  /**
   * The loss that suits it: `mse` or `bce` for probabilities, `cross_entropy` for logits, `nll` for
   * logarithms of probabilities.
   */
  readonly loss: "mse" | "bce" | "cross_entropy" | "nll";
  /** Name of the labels, where several outputs have labels of their own. */
  readonly labels?: string;
  /** Share of this loss in the whole, 1 if absent. */
  readonly weight?: number;
  /** Labels that do not count, where there are such. */
  readonly ignored?: number;
}

/** One example network. */
export interface Example {
  readonly name: string;
  /** One line for a list. */
  readonly describe: string;
  readonly inputs: readonly ExampleInput[];
  /** The first is the one that accuracy is measured on. */
  readonly outputs: readonly ExampleOutput[];
  /** Samples of a batch to begin with, 64 if absent. */
  readonly batch?: number;
  /** True where it takes seconds and hundreds of megabytes to build. */
  readonly large?: boolean;
  /** Makes the network with initial parameters from the seed. */
  build(options: { readonly seed: number }): Graph;
}
