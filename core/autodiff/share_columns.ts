import { type Fact, type Graph, int64s, type Node, producers, type Tensor } from "../onnx/mod.ts";
import type { Gradients } from "./differentiate.ts";
import type { TrainingGraph } from "./training_form.ts";

/** Columns of more elements a sample are not kept from the forward to the backward pass. */
const ELEMENTS_PER_SAMPLE_MAX = 2 ** 16;

/**
 * For graphs in which forward and backward run together: lets a convolution and the gradient of its
 * weight share the columns of im2col, which cost more than either product. The convolution becomes
 *
 * ```text
 * y[n] = W[M, C k] columns[n] + b
 * ```
 *
 * and the nodes that make the columns move from the backward to the forward pass. Not for graphs that
 * run apart: the columns, k times as large as the input, would have to be kept between them.
 */
export function shareColumns(
  training: TrainingGraph,
  gradients: Gradients,
): { readonly training: TrainingGraph; readonly gradients: Gradients } {
  const sharing = new Sharing(training, gradients);
  const nodes = training.graph.nodes.flatMap((node) => sharing.rewritten(node));
  const initializers = new Map([...training.graph.initializers, ...sharing.initializers]);
  const graph: Graph = { ...training.graph, nodes, initializers };
  const rest = gradients.nodes.filter((node) => !sharing.moved.has(node));
  return {
    training: { ...training, graph, facts: sharing.facts },
    gradients: { ...gradients, nodes: rest },
  };
}

class Sharing {
  readonly facts: Map<string, Fact>;
  readonly initializers = new Map<string, Tensor>();
  /** Nodes that go from the backward to the forward pass. */
  readonly moved = new Set<Node>();
  readonly #gradients: Gradients;
  readonly #makers: ReadonlyMap<string, Node>;

  constructor({ graph, facts }: TrainingGraph, gradients: Gradients) {
    this.facts = new Map(facts);
    this.#gradients = gradients;
    this.#makers = producers({ ...graph, nodes: gradients.nodes });
  }

  /** The nodes that stand in for one of the forward pass; mostly itself. */
  rewritten(node: Node): Node[] {
    const columns = this.#gradients.columns.get(node.name);
    const w = this.facts.get(node.inputs[1] ?? "");
    const to = this.facts.get(node.outputs[0]!);
    if (columns === undefined || w === undefined || to === undefined) return [node];
    const [filters, ...rest] = w.dims.map(Number);
    const length = rest.reduce((product, n) => product * n, 1);
    const positions = to.dims.slice(2).reduce<number>((product, n) => product * Number(n), 1);
    if (length * positions > ELEMENTS_PER_SAMPLE_MAX) return [node];
    const made = this.#takeOver(columns.value);
    for (const [name, fact] of columns.facts) this.#note(name, fact);
    return [...made, ...this.#product(node, columns.value, to, [filters!, length, positions])];
  }

  /** The nodes on which `value` depends within the backward pass, in order. */
  #takeOver(value: string): Node[] {
    const needed = new Set<Node>();
    const visit = (name: string) => {
      const maker = this.#makers.get(name);
      if (maker === undefined || needed.has(maker)) return;
      maker.inputs.forEach(visit);
      needed.add(maker);
    };
    visit(value);
    const fresh = [...needed].filter((node) => !this.moved.has(node));
    for (const node of fresh) {
      this.moved.add(node);
      for (const input of node.inputs) this.#keepConstant(input);
    }
    return fresh;
  }

  #keepConstant(name: string): void {
    const constant = this.#gradients.initializers.get(name);
    if (constant !== undefined) this.#constant(name, constant);
  }

  #constant(name: string, value: Tensor): string {
    this.initializers.set(name, value);
    return this.#note(name, { dtype: value.dtype, dims: value.dims });
  }

  #note(name: string, fact: Fact): string {
    this.facts.set(name, fact);
    return name;
  }

  /** W columns + b, in the shape of the convolution's output. */
  #product(node: Node, columns: string, to: Fact, sizes: [number, number, number]): Node[] {
    const [, weight = "", bias = ""] = node.inputs;
    const [filters, length, positions] = sizes;
    const { dtype, dims } = to;
    const [samples] = dims;
    const nodes: Node[] = [];
    const add = (part: string, op: string, inputs: string[], shape: Fact["dims"], out?: string) => {
      const output = out ?? this.#note(`ravn.${node.name}.${part}`, { dtype, dims: shape });
      nodes.push({
        name: out === undefined ? output : node.name,
        op,
        domain: "",
        inputs,
        outputs: [output],
        attributes: {},
      });
      return output;
    };
    const shape = (part: string, values: readonly number[]) =>
      this.#constant(`ravn.${node.name}.${part}.shape`, int64s(values));
    const matrix = [filters, length];
    const stack = [samples!, filters, positions];
    const w = add("weight", "Reshape", [weight, shape("weight", matrix)], matrix);
    let y = add("product", "MatMul", [w, columns], stack);
    if (bias !== "") {
      const column = [filters, 1];
      const b = add("bias", "Reshape", [bias, shape("bias", column)], column);
      y = add("sum", "Add", [y, b], stack);
    }
    const map = [-1, ...dims.slice(1).map(Number)];
    add("map", "Reshape", [y, shape("map", map)], dims, node.outputs[0]!);
    return nodes;
  }
}
