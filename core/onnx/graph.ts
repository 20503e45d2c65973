import type { DType, Tensor } from "./tensor.ts";

/** A node attribute, as in AttributeProto. Integers are exact to 2^53. */
export type Attribute =
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "ints"; readonly value: readonly number[] }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "tensor"; readonly value: Tensor }
  | { readonly type: "graph"; readonly value: Graph };

/** One operator application. An omitted optional input or output is the empty string. */
export interface Node {
  /** Unique in its graph. */
  readonly name: string;
  /** Operator type, e.g. `"Conv"`. */
  readonly op: string;
  /** Operator set; `""` is ONNX's default domain. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A dimension: a size, or the name of one that is only known when the model runs. */
export type Dimension = number | string;

/** Name, element type and shape of a graph input or output; `shape` is absent where unknown. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape?: readonly Dimension[];
}

/** A model as data: nodes in topological order over named values. Rewrites make new graphs. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  /** Values fed at run time; initializers are not among them. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** Version of each operator set in use, by domain. */
  readonly opsets: ReadonlyMap<string, number>;
}

/** Integer attribute `key` of `node`, or `otherwise` where it is absent. */
export function intOf(node: Node, key: string, otherwise: number): number {
  const attribute = node.attributes[key];
  return attribute?.type === "int" ? attribute.value : otherwise;
}

/** Float attribute `key` of `node`, or `otherwise` where it is absent. */
export function floatOf(node: Node, key: string, otherwise: number): number {
  const attribute = node.attributes[key];
  return attribute?.type === "float" ? attribute.value : otherwise;
}

/** Integer-list attribute `key` of `node`, or undefined where it is absent. */
export function intsOf(node: Node, key: string): readonly number[] | undefined {
  const attribute = node.attributes[key];
  return attribute?.type === "ints" ? attribute.value : undefined;
}

/** String attribute `key` of `node`, or `otherwise` where it is absent. */
export function stringOf(node: Node, key: string, otherwise: string): string {
  const attribute = node.attributes[key];
  return attribute?.type === "string" ? attribute.value : otherwise;
}

/** The node that makes each value. */
export function producers(graph: Graph): Map<string, Node> {
  const map = new Map<string, Node>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) if (output !== "") map.set(output, node);
  }
  return map;
}

/** The nodes that read each value, in graph order; a node that reads it twice is listed once. */
export function consumers(graph: Graph): Map<string, Node[]> {
  const map = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const input of new Set(node.inputs)) {
      if (input === "") continue;
      const list = map.get(input);
      if (list === undefined) map.set(input, [node]);
      else list.push(node);
    }
  }
  return map;
}
