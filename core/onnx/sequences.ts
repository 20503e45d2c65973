import { consumers, type Graph, intOf, type Node, producers } from "./graph.ts";
import { int64s, numbers, type Tensor } from "./tensor.ts";

/** "To the end" of a dimension, for Slice. */
const FAR = Number.MAX_SAFE_INTEGER;

/**
 * The graph with tensors in place of sequences where it can be said in advance what they hold.
 * TorchScript exporters write unbind, split and chunk as SequenceAt(SplitToSequence(x), i), and
 * stack as ConcatFromSequence(SequenceConstruct(a, b, …), new_axis = 1):
 *
 * ```text
 * SequenceAt(SplitToSequence(x, sizes), i)      Split(x, sizes), output i
 * SequenceAt(SplitToSequence(x, size), i)       Slice(x, i size, (i + 1) size)
 * SequenceAt(SplitToSequence(x), i)             Slice(x, i, i + 1), Squeeze where keepdims = 0
 * SequenceAt(SequenceConstruct(a, b, …), i)     Identity of the i-th
 * ConcatFromSequence(SequenceConstruct(…))      Concat(…), of Unsqueeze each where new_axis = 1
 * ```
 *
 * Indices and sizes must be constants, and an index that counts from the end needs the number of
 * parts, or parts of one; other sequences stay. Needs opset 13, with axes as inputs.
 */
export function withoutSequences(graph: Graph): Graph {
  const isSequence = ({ op, domain }: Node) => domain === "" && MAKERS.has(op);
  return graph.nodes.some(isSequence) ? new Rewrite(graph).graph() : graph;
}

/** Operators that make the sequences which are rewritten. */
const MAKERS = new Set(["SplitToSequence", "SequenceConstruct"]);

/** Where a part of a split tensor lies. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Nodes and constants that take the place of sequences. */
class Rewrite {
  readonly #source: Graph;
  readonly #makers: ReadonlyMap<string, Node>;
  readonly #initializers: Map<string, Tensor>;
  readonly #taken: Set<string>;
  /** Outputs of the Split in place of a SplitToSequence, by the sequence. */
  readonly #parts = new Map<string, readonly string[]>();

  constructor(graph: Graph) {
    this.#source = graph;
    this.#makers = producers(graph);
    this.#initializers = new Map(graph.initializers);
    this.#taken = new Set([
      ...graph.inputs.map(({ name }) => name),
      ...graph.initializers.keys(),
      ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
    ]);
  }

  graph(): Graph {
    const nodes = this.#source.nodes.flatMap((node) => this.#rewritten(node) ?? [node]);
    const read = consumers({ ...this.#source, nodes });
    const kept = nodes.filter(({ op, domain, outputs }) =>
      domain !== "" || !MAKERS.has(op) || read.has(outputs[0]!)
    );
    return { ...this.#source, nodes: kept, initializers: this.#initializers };
  }

  /** The nodes in place of one that reads a sequence; undefined where it stays. */
  #rewritten(node: Node): Node[] | undefined {
    if (node.domain !== "") return undefined;
    const maker = this.#makers.get(node.inputs[0] ?? "");
    if (maker === undefined || maker.domain !== "") return undefined;
    if (node.op === "ConcatFromSequence" && maker.op === "SequenceConstruct") {
      return this.#concat(node, maker.inputs);
    }
    if (node.op !== "SequenceAt") return undefined;
    const index = this.#constants(node.inputs[1])?.[0];
    if (index === undefined) return undefined;
    if (maker.op === "SplitToSequence") return this.#part(node, maker, index);
    const chosen = maker.op === "SequenceConstruct" ? maker.inputs.at(index) : undefined;
    return chosen === undefined ? undefined : [{ ...node, op: "Identity", inputs: [chosen] }];
  }

  #concat(node: Node, inputs: readonly string[]): Node[] {
    const axis = intOf(node, "axis", 0);
    const attributes = { axis: { type: "int", value: axis } } as const;
    const concat = (parts: readonly string[]): Node => (
      { ...node, op: "Concat", inputs: parts, attributes }
    );
    if (intOf(node, "new_axis", 0) === 0) return [concat(inputs)];
    const axes = this.#constant(node, "axes", [axis]);
    const wider = inputs.map((input): Node => {
      const name = this.#fresh(`${node.name}.part`);
      return this.#plain("Unsqueeze", [input, axes], name);
    });
    return [...wider, concat(wider.map(({ outputs }) => outputs[0]!))];
  }

  #part(node: Node, maker: Node, index: number): Node[] | undefined {
    const [x, split = ""] = maker.inputs;
    const [output] = node.outputs;
    const axis = intOf(maker, "axis", 0);
    const sizes = split === "" ? [1] : this.#constants(split);
    if (sizes === undefined) return undefined;
    if (split !== "" && this.#initializers.get(split)!.dims.length === 1) {
      return this.#split(node, maker, index, sizes.length);
    }
    const range = rangeOf(index, sizes[0]!);
    if (range === undefined) return undefined;
    // ONNX ignores keepdims beside sizes; PyTorch writes it so for unbind, and ONNX Runtime obeys.
    const squeezes = sizes[0] === 1 && intOf(maker, "keepdims", 1) === 0;
    const axes = this.#constant(node, "axes", [axis]);
    const bounds = [
      this.#constant(node, "start", [range.start]),
      this.#constant(node, "end", [range.end]),
    ];
    const slice = { ...node, op: "Slice", inputs: [x!, ...bounds, axes], attributes: {} };
    if (!squeezes) return [slice];
    const kept = this.#fresh(`${node.name}.slice`);
    return [
      { ...slice, outputs: [kept] },
      this.#plain("Squeeze", [kept, axes], output!),
    ];
  }

  /** One Split for all parts of a sequence, where the first of them is asked for. */
  #split(node: Node, maker: Node, index: number, count: number): Node[] | undefined {
    const sequence = maker.outputs[0]!;
    const known = this.#parts.get(sequence);
    const parts = known ??
      Array.from({ length: count }, () => this.#fresh(`${maker.name}.part`));
    const part = parts.at(index);
    if (part === undefined) return undefined;
    this.#parts.set(sequence, parts);
    const identity = { ...node, op: "Identity", inputs: [part], attributes: {} };
    if (known !== undefined) return [identity];
    const axis = { type: "int", value: intOf(maker, "axis", 0) } as const;
    const name = this.#fresh(`${maker.name}.split`);
    const split = { ...maker, name, op: "Split", outputs: parts, attributes: { axis } };
    return [split, identity];
  }

  /** The numbers of a constant, undefined where it is none. */
  #constants(name: string | undefined): number[] | undefined {
    const value = this.#source.initializers.get(name ?? "");
    return value === undefined ? undefined : Array.from(numbers(value));
  }

  #constant(node: Node, what: string, values: readonly number[]): string {
    const name = this.#fresh(`${node.name}.${what}`);
    this.#initializers.set(name, int64s(values));
    return name;
  }

  #plain(op: string, inputs: readonly string[], output: string): Node {
    const name = this.#fresh(`${output}.${op}`);
    return { name, op, domain: "", inputs, outputs: [output], attributes: {} };
  }

  #fresh(stem: string): string {
    let name = stem;
    for (let n = 1; this.#taken.has(name); n++) name = `${stem}.${n}`;
    this.#taken.add(name);
    return name;
  }
}

/** Part `index` of parts of `size`; the last one may be shorter, so that only ones count back. */
function rangeOf(index: number, size: number): Range | undefined {
  if (index < 0 && size > 1) return undefined;
  return { start: index * size, end: index === -1 ? FAR : (index + 1) * size };
}
