import { attributeOf, scalar, tensor } from "../onnx/mod.ts";
import type { AttributeValue, Node, Tensor } from "../onnx/mod.ts";

/** Nodes and constants that a loss adds to a graph, under names that start with a prefix. */
export class LossNodes {
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, Tensor>();
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Adds a node with one output and returns the output's name. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    const name = `${this.#prefix}.${this.nodes.length}.${op}`;
    this.nodes.push({
      name,
      op,
      domain: "",
      inputs,
      outputs: [name],
      attributes: Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)]),
      ),
    });
    return name;
  }

  /** Adds a float32 scalar. */
  float(value: number): string {
    return this.#constant(scalar("float32", value));
  }

  /** Adds an int64 scalar. */
  integer(value: number): string {
    return this.#constant(scalar("int64", value));
  }

  /** Adds a list of float32 values. */
  floats(values: readonly number[]): string {
    return this.#constant(tensor("float32", [values.length], values));
  }

  /** Adds a float32 tensor. */
  tensor(dims: readonly number[], values: readonly number[]): string {
    return this.#constant(tensor("float32", dims, values));
  }

  /** Adds a list of int64 values. */
  integers(values: readonly number[]): string {
    return this.#constant(tensor("int64", [values.length], values));
  }

  /** Number of elements of `value` as a float32 scalar. */
  count(value: string): string {
    return this.node("Cast", [this.node("Size", [value])], { to: 1 });
  }

  #constant(value: Tensor): string {
    const name = `${this.#prefix}.constant.${this.initializers.size}`;
    this.initializers.set(name, value);
    return name;
  }
}
