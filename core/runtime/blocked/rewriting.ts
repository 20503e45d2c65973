import {
  attributeOf,
  int64s,
  intsOf,
  type Node,
  numbers,
  tensor,
  withoutDeadNodes,
} from "../../onnx/mod.ts";
import type { AttributeValue, Graph, Tensor } from "../../onnx/mod.ts";

/** Domain of ONNX Runtime's operators over the blocked layout. */
export const BLOCKED = "com.microsoft.nchwc";

/** A dimension, or undefined where it is not known before the graph runs. */
export type Size = number | undefined;

/** A graph on its way to another form: nodes are added one by one, in topological order. */
export class Rewriting {
  readonly #graph: Graph;
  #nodes: Node[] = [];
  readonly #initializers: Map<string, Tensor>;
  readonly #taken: Set<string>;
  #emitted = new Map<string, string>();
  readonly #makers = new Map<string, Node>();
  readonly #sizes = new Map<string, readonly Size[]>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#initializers = new Map(graph.initializers);
    this.#taken = new Set([
      ...graph.inputs.map(({ name }) => name),
      ...graph.initializers.keys(),
      ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
    ]);
    for (const { name, shape } of graph.inputs) {
      if (shape === undefined) continue;
      this.#sizes.set(name, shape.map((size) => typeof size === "number" ? size : undefined));
    }
  }

  /** Version of ONNX's default operator set. */
  get opset(): number {
    return this.#graph.opsets.get("") ?? 1;
  }

  /** The rewritten graph. */
  graph(): Graph {
    const opsets = new Map(this.#graph.opsets);
    if (this.#nodes.some(({ domain }) => domain === BLOCKED)) opsets.set(BLOCKED, 1);
    const graph = { ...this.#graph, nodes: this.#nodes, opsets, initializers: this.#initializers };
    return withoutDeadNodes(graph);
  }

  /** The nodes that `write` adds as a graph of their own, which gives the value that it returns. */
  branch(name: string, write: () => string): Graph {
    const [nodes, emitted] = [this.#nodes, this.#emitted];
    this.#nodes = [];
    this.#emitted = new Map(emitted);
    const output = write();
    const made = this.#nodes;
    [this.#nodes, this.#emitted] = [nodes, emitted];
    const opsets = new Map([...this.#graph.opsets, [BLOCKED, 1]]);
    const outputs = [{ name: output, dtype: "float32" as const }];
    return { name, nodes: made, inputs: [], outputs, initializers: new Map(), opsets };
  }

  /** The node of the original graph that makes a value. */
  maker(value: string): Node | undefined {
    return this.#makers.get(value);
  }

  /** The integers of a constant. */
  integers(value: string): number[] | undefined {
    const constant = this.#initializers.get(value);
    return constant === undefined ? undefined : Array.from(numbers(constant));
  }

  /** Whether a value is a constant of the graph. */
  isConstant(value: string): boolean {
    return this.#initializers.has(value);
  }

  /** Keeps a node as it is. */
  keep(node: Node): void {
    this.#nodes.push(node);
    for (const output of node.outputs) this.#makers.set(output, node);
    const sizes = this.#sizesOf(node);
    if (sizes !== undefined) this.#sizes.set(node.outputs[0]!, sizes);
  }

  /** Adds a node of one output, or finds the equal one that was added before; names its output. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    domain = "",
  ): string {
    const identity = JSON.stringify([op, domain, inputs, attributes]);
    const known = this.#emitted.get(identity);
    if (known !== undefined) return known;
    const name = this.#fresh(`blocked.${op}`);
    this.emit(op, inputs, attributes, domain, name);
    this.#emitted.set(identity, name);
    return name;
  }

  /** Adds a node whose output has the name `output`. */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    domain: string,
    output: string,
  ): void {
    const full = Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)]),
    );
    const name = this.#fresh(`${output}.node`);
    this.#nodes.push({ name, op, domain, inputs, outputs: [output], attributes: full });
  }

  /** A constant list of integers. */
  ints(values: readonly number[]): string {
    const name = `blocked.ints.${values.join("_")}`;
    this.#initializers.set(name, int64s(values));
    return name;
  }

  /** A constant tensor of float32. */
  floats(dims: readonly number[], values: readonly number[]): string {
    const name = `blocked.floats.${dims.join("_")}.${values.join("_")}`;
    this.#initializers.set(name, tensor("float32", dims, values));
    return name;
  }

  /** `value` in another shape; one size may be -1. */
  reshape(value: string, dims: readonly number[]): string {
    return this.node("Reshape", [value, this.ints(dims)]);
  }

  /** [N, C, H, W] in the blocked layout. */
  reordered(value: string): string {
    return this.node("ReorderInput", [value], {}, BLOCKED);
  }

  /** The sizes of a value, where inputs and shape operators tell them. */
  sizes(value: string): readonly Size[] | undefined {
    return this.#initializers.get(value)?.dims ?? this.#sizes.get(value);
  }

  #sizesOf({ op, domain, inputs, attributes }: Node): readonly Size[] | undefined {
    if (domain !== "" || op !== "Reshape") return undefined;
    if (attributes["allowzero"] !== undefined) return undefined;
    return this.integers(inputs[1]!)?.map((size) => size > 0 ? size : undefined);
  }

  #fresh(base: string): string {
    let name = base;
    for (let n = 2; this.#taken.has(name); n++) name = `${base}_${n}`;
    this.#taken.add(name);
    return name;
  }
}

/** An attribute of one number an axis, the same for all if absent. */
export function perAxis(node: Node, key: string, axes: number, otherwise: number): number[] {
  return [...intsOf(node, key) ?? new Array<number>(axes).fill(otherwise)];
}
