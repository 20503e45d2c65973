import { type Graph, GraphBuilder, scalar, type Tensor, tensor } from "../onnx/mod.ts";

/** A parameter that an optimizer graph updates; float32. */
export interface GraphParameter {
  readonly name: string;
  readonly dims: readonly number[];
}

/** What all optimizer graphs have in common. */
export interface UpdateGraphOptions {
  /** Gradients are first limited to [−clipValue, clipValue]. */
  readonly clipValue?: number | undefined;
}

/** Name of the input with the scalars of an update. */
export const SCALARS = "scalars";

/**
 * Builds an update of parameters as a graph. Its input `scalars` holds the numbers of an update,
 * one small copy to the device, which is taken apart there.
 */
export class UpdateGraph<Key extends string> {
  /** Each of the scalars as a value of the graph. */
  readonly scalars: Readonly<Record<Key, string>>;
  readonly #builder: GraphBuilder;
  readonly #clipValue: number | undefined;

  /** @param keys of the scalars, in the order in which the input holds them */
  constructor(name: string, keys: readonly Key[], { clipValue }: UpdateGraphOptions) {
    this.#builder = new GraphBuilder(name);
    this.#clipValue = clipValue;
    const input = this.#builder.input(SCALARS, "float32", [keys.length]);
    const pieces = this.#builder.nodes("Split", [input], { axis: 0 }, { outputs: keys.length });
    const names: Partial<Record<Key, string>> = {};
    keys.forEach((key, i) => names[key] = this.node("Squeeze", pieces[i]!));
    this.scalars = names as Record<Key, string>;
  }

  /** Weight and gradient of a parameter. */
  parameter(p: GraphParameter): [weight: string, gradient: string] {
    const weight = this.#builder.input(`weight.${p.name}`, "float32", p.dims);
    const gradient = this.#builder.input(`gradient.${p.name}`, "float32", p.dims);
    if (this.#clipValue === undefined) return [weight, gradient];
    const limits = [-this.#clipValue, this.#clipValue];
    const bounds = limits.map((limit) => this.#builder.constant(scalar("float32", limit)));
    return [weight, this.node("Clip", gradient, ...bounds)];
  }

  /** State of a parameter, e.g. `m.p`. */
  state(kind: string, { name, dims }: GraphParameter): string {
    return this.#builder.input(`${kind}.${name}`, "float32", dims);
  }

  /** Adds a node and returns its output. */
  node(op: string, ...inputs: readonly string[]): string {
    return this.#builder.node(op, inputs);
  }

  /** The sum of all elements' squares. */
  sumOfSquares(value: string): string {
    return this.#builder.node("ReduceSumSquare", [value], { keepdims: 0 });
  }

  /** A constant number. */
  number(value: number): string {
    return this.#builder.constant(scalar("float32", value));
  }

  /** `a · b`. */
  times(a: string, b: string): string {
    return this.node("Mul", a, b);
  }

  /** A node whose output is the new `kind` (`weight`, `m`, …) of a parameter. */
  become(
    kind: string,
    { name, dims }: GraphParameter,
    op: string,
    ...inputs: readonly string[]
  ): string {
    const outputs = [`new.${kind}.${name}`];
    const made = this.#builder.node(op, inputs, {}, { outputs });
    this.#builder.output(made, "float32", dims);
    return made;
  }

  /** The graph as built so far. */
  build(): Graph {
    return this.#builder.build();
  }
}

/** The input `scalars` of a graph: the numbers `keys` of `scalars`. */
export function scalarsTensor<Key extends string>(
  keys: readonly Key[],
  scalars: Readonly<Record<Key, number>>,
): Tensor {
  return tensor("float32", [keys.length], keys.map((key) => scalars[key]));
}
