import { checkGraph, checkOperator } from "./check.ts";
import type { Attribute, Dimension, Graph, Node, ValueInfo } from "./graph.ts";
import type { DType, Tensor } from "./tensor.ts";

/**
 * An attribute in short form: an integer, a text, a list of numbers, a tensor. Numbers that are not
 * integers become floats; for a float that happens to be integral write `{ type: "float", value }`.
 */
export type AttributeValue = number | string | readonly number[] | Tensor | Attribute;

/** Options of `GraphBuilder.node`. */
export interface NodeOptions {
  /** Name of the node, made from the operator if absent. */
  readonly name?: string;
  /** Names of the outputs (`""` omits one), or their number; 1 if absent. */
  readonly outputs?: readonly string[] | number;
  /** Operator set, ONNX's default one if absent. */
  readonly domain?: string;
}

/**
 * Builds a graph node by node, in topological order.
 *
 * @example
 * ```ts
 * import { tensor } from "./tensor.ts";
 *
 * const builder = new GraphBuilder("linear");
 * const x = builder.input("x", "float32", ["batch", 4]);
 * const w = builder.initializer("weight", tensor("float32", [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]));
 * builder.output(builder.node("MatMul", [x, w], {}, { outputs: ["y"] }), "float32", ["batch", 2]);
 * builder.build();
 * ```
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: Node[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #initializers = new Map<string, Tensor>();
  readonly #opsets: Map<string, number>;
  readonly #values = new Set<string>();
  readonly #nodeNames = new Set<string>();
  readonly #counters = new Map<string, number>();

  /** @param opset version of ONNX's default operator set. */
  constructor(name: string, opset = 17) {
    this.#name = name;
    this.#opsets = new Map([["", opset]]);
  }

  /** Adds a graph input and returns its name. */
  input(name: string, dtype: DType, shape: readonly Dimension[]): string {
    this.#define(name);
    this.#inputs.push({ name, dtype, shape: [...shape] });
    return name;
  }

  /** Adds a constant under a given name, e.g. a parameter, and returns the name. */
  initializer(name: string, value: Tensor): string {
    this.#define(name);
    this.#initializers.set(name, value);
    return name;
  }

  /** Adds a constant under a new name that starts with `hint`, and returns the name. */
  constant(value: Tensor, hint = "constant"): string {
    return this.initializer(this.#unused(hint, this.#values), value);
  }

  /** Adds a node and returns the name of its first output. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: NodeOptions = {},
  ): string {
    return this.nodes(op, inputs, attributes, options)[0]!;
  }

  /**
   * Adds a node and returns the names of all its outputs.
   *
   * @throws {RavnError} where operator, arity or attributes are wrong.
   * @throws {TypeError} where an input does not exist, or a name is taken.
   */
  nodes(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    options: NodeOptions = {},
  ): string[] {
    const domain = options.domain ?? "";
    if (!this.#opsets.has(domain)) this.#opsets.set(domain, 1);
    const name = options.name ?? this.#unused(op, this.#nodeNames);
    if (this.#nodeNames.has(name)) throw new TypeError(`there is a node '${name}' already`);
    for (const input of inputs) {
      if (input !== "" && !this.#values.has(input)) {
        throw new TypeError(`node '${name}' (${op}) reads '${input}', which does not exist`);
      }
    }
    const outputs = this.#outputNames(name, options.outputs ?? 1);
    const node: Node = {
      name,
      op,
      domain,
      inputs: [...inputs],
      outputs,
      attributes: Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)]),
      ),
    };
    checkOperator(node, this.#opsets, `graph '${this.#name}': node '${name}' (${op})`);
    this.#nodeNames.add(name);
    for (const output of outputs) if (output !== "") this.#define(output);
    this.#nodes.push(node);
    return outputs;
  }

  /** Makes a value a graph output. */
  output(name: string, dtype: DType, shape?: readonly Dimension[]): void {
    this.#outputs.push({ name, dtype, ...(shape === undefined ? {} : { shape: [...shape] }) });
  }

  /**
   * The graph as built so far.
   *
   * @throws {RavnError} where `checkGraph` finds a fault.
   */
  build(): Graph {
    const graph: Graph = {
      name: this.#name,
      nodes: [...this.#nodes],
      inputs: [...this.#inputs],
      outputs: [...this.#outputs],
      initializers: new Map(this.#initializers),
      opsets: new Map(this.#opsets),
    };
    checkGraph(graph, { file: `graph '${this.#name}'` });
    return graph;
  }

  #define(name: string): void {
    if (name === "") throw new TypeError("a value needs a name");
    if (this.#values.has(name)) throw new TypeError(`there is a value '${name}' already`);
    this.#values.add(name);
  }

  #outputNames(node: string, outputs: readonly string[] | number): string[] {
    if (typeof outputs !== "number") return [...outputs];
    if (outputs === 1) return [this.#free(`${node}_out`)];
    return Array.from({ length: outputs }, (_, i) => this.#free(`${node}_out${i}`));
  }

  #free(name: string): string {
    return this.#values.has(name) ? this.#unused(name, this.#values) : name;
  }

  #unused(stem: string, taken: ReadonlySet<string>): string {
    for (let n = this.#counters.get(stem) ?? 0;; n++) {
      const name = `${stem}_${n}`;
      if (taken.has(name)) continue;
      this.#counters.set(stem, n + 1);
      return name;
    }
  }
}

/** The attribute that a short form stands for. Floats are rounded to float32, as in a file. */
export function attributeOf(value: AttributeValue): Attribute {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "number") {
    return Number.isInteger(value) ? { type: "int", value } : float(value);
  }
  if (isList(value)) {
    return value.every(Number.isInteger)
      ? { type: "ints", value: [...value] }
      : { type: "floats", value: value.map(Math.fround) };
  }
  if ("dtype" in value) return { type: "tensor", value };
  return value.type === "float" ? float(value.value) : value;
}

function float(value: number): Attribute {
  return { type: "float", value: Math.fround(value) };
}

function isList(value: readonly number[] | Tensor | Attribute): value is readonly number[] {
  return Array.isArray(value);
}
