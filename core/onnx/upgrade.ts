import { RavnError } from "../error.ts";
import { type Attribute, floatOf, type Graph, intOf, intsOf, type Node } from "./graph.ts";
import { int64s, scalar, type Tensor, tensor } from "./tensor.ts";

/** The opset to which older models are lifted; the others keep theirs. */
const TARGET = 13;

/**
 * The graph in opset 13 where it uses an older one: attributes that became inputs are written as
 * constants, operators that were replaced get their successor, and Softmax over several axes at
 * once is written out (ONNX, Changelog of the default operator set). Values keep their names.
 *
 * @throws {RavnError} naming a node that has no equal in opset 13.
 */
export function upgraded(graph: Graph, file: string): Graph {
  const opset = graph.opsets.get("");
  if (opset === undefined || opset >= TARGET) return graph;
  const opsets = new Map([...graph.opsets, ["", TARGET] as const]);
  return new Upgrade(graph, opset, file).graph(opsets);
}

/** Nodes and constants that take the place of one node. */
class Upgrade {
  readonly #source: Graph;
  readonly #opset: number;
  readonly #file: string;
  readonly #initializers: Map<string, Tensor>;
  readonly #taken: Set<string>;

  constructor(graph: Graph, opset: number, file: string) {
    this.#source = graph;
    this.#opset = opset;
    this.#file = file;
    this.#initializers = new Map(graph.initializers);
    this.#taken = new Set([
      ...graph.inputs.map(({ name }) => name),
      ...graph.initializers.keys(),
      ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
    ]);
  }

  graph(opsets: Graph["opsets"]): Graph {
    const nodes = this.#source.nodes.flatMap((node) => {
      const inner = this.#withSubgraphs(node, opsets);
      return node.domain === "" ? this.#upgraded(inner) : [inner];
    });
    return { ...this.#source, nodes, initializers: this.#initializers, opsets };
  }

  #withSubgraphs(node: Node, opsets: Graph["opsets"]): Node {
    const entries = Object.entries(node.attributes);
    if (!entries.some(([, { type }]) => type === "graph")) return node;
    const attributes = entries.map(([key, attribute]): [string, Attribute] => {
      if (attribute.type !== "graph") return [key, attribute];
      const value = new Upgrade(attribute.value, this.#opset, this.#file).graph(opsets);
      return [key, { type: "graph", value }];
    });
    return { ...node, attributes: Object.fromEntries(attributes) };
  }

  #upgraded(node: Node): Node[] {
    switch (node.op) {
      case "Squeeze":
      case "Unsqueeze":
      case "ReduceSum":
        return [this.#intsAsInput(node, "axes", 1)];
      case "Split":
        return [this.#intsAsInput(node, "split", 1)];
      case "Dropout":
        return this.#opset < 12 ? [this.#dropout(node)] : [node];
      case "Softmax":
      case "LogSoftmax":
      case "Hardmax":
        return this.#softmax(node);
      case "Clip":
        return this.#opset < 11 ? [this.#clip(node)] : [node];
      case "Pad":
        return this.#opset < 11 ? [this.#pad(node)] : [node];
      case "Slice":
        return this.#opset < 10 ? [this.#slice(node)] : [node];
      case "TopK":
        return this.#opset < 10 ? [this.#topK(node)] : [node];
      case "Scatter":
        return [{ ...node, op: "ScatterElements" }];
      case "Upsample":
      case "Resize":
        return this.#opset < 11 ? [this.#resize(node)] : [node];
      default:
        return [node];
    }
  }

  /** A list attribute becomes input `position`; without it the operator had none, and has none. */
  #intsAsInput(node: Node, key: string, position: number): Node {
    const values = intsOf(node, key);
    if (values === undefined) return node;
    return withInput(without(node, key), position, this.#constant(node, key, int64s(values)));
  }

  #dropout(node: Node): Node {
    const ratio = this.#constant(node, "ratio", scalar("float32", floatOf(node, "ratio", 0.5)));
    return withInput(without(node, "ratio"), 1, ratio);
  }

  #clip(node: Node): Node {
    let made = without(node, "min", "max");
    (["min", "max"] as const).forEach((key, i) => {
      if (node.attributes[key] === undefined) return;
      const bound = this.#constant(node, key, scalar("float32", floatOf(node, key, 0)));
      made = withInput(made, i + 1, bound);
    });
    return made;
  }

  #pad(node: Node): Node {
    const pads = intsOf(node, "pads") ?? intsOf(node, "paddings") ?? [];
    const value = scalar("float32", floatOf(node, "value", 0));
    const padded = withInput(
      without(node, "pads", "paddings", "value"),
      1,
      this.#constant(node, "pads", int64s(pads)),
    );
    return withInput(padded, 2, this.#constant(node, "value", value));
  }

  #slice(node: Node): Node {
    let made = without(node, "starts", "ends", "axes");
    (["starts", "ends", "axes"] as const).forEach((key, i) => {
      const values = intsOf(node, key);
      if (values === undefined) return;
      made = withInput(made, i + 1, this.#constant(node, key, farEnds(values)));
    });
    return made;
  }

  #topK(node: Node): Node {
    const count = this.#constant(node, "k", int64s([intOf(node, "k", 1)]));
    return withInput(without(node, "k"), 1, count);
  }

  /** Resize of opset 10, and Upsample before it, took input coordinates as output / scale. */
  #resize(node: Node): Node {
    const listed = node.attributes["scales"];
    const scales = listed?.type === "floats"
      ? this.#constant(node, "scales", tensor("float32", [listed.value.length], listed.value))
      : node.inputs[1];
    if (scales === undefined) {
      throw new RavnError(`${this.#file}: node '${node.name}' (${node.op}): has no scales`);
    }
    const attributes: Record<string, Attribute> = {
      ...without(node, "scales").attributes,
      coordinate_transformation_mode: { type: "string", value: "asymmetric" },
      nearest_mode: { type: "string", value: "floor" },
    };
    return { ...node, op: "Resize", inputs: [node.inputs[0]!, "", scales], attributes };
  }

  /**
   * Before opset 13 the axes from `axis` on (1 if absent) were one: where that is more than the
   * last axis the data is flattened and given its shape again.
   */
  #softmax(node: Node): Node[] {
    const axis = intOf(node, "axis", 1);
    const last: Attribute = { type: "int", value: -1 };
    const attributes = { ...node.attributes, axis: last };
    if (axis === -1) return [{ ...node, attributes }];
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    const named = (what: string) => this.#fresh(`${node.name}.${what}`);
    const [shape, flat, soft] = [named("shape"), named("flat"), named("rows")];
    const plain = (op: string, inputs: string[], output: string, more: Node["attributes"] = {}) => (
      { name: output, op, domain: "", inputs, outputs: [output], attributes: more }
    );
    return [
      plain("Shape", [x], shape),
      plain("Flatten", [x], flat, { axis: { type: "int", value: axis } }),
      { ...node, inputs: [flat], outputs: [soft], attributes },
      { ...plain("Reshape", [soft, shape], y), name: named("reshape") },
    ];
  }

  #constant(node: Node, what: string, value: Tensor): string {
    const name = this.#fresh(`${node.name}.${what}`);
    this.#initializers.set(name, value);
    return name;
  }

  #fresh(stem: string): string {
    let name = stem;
    for (let n = 1; this.#taken.has(name); n++) name = `${stem}.${n}`;
    this.#taken.add(name);
    return name;
  }
}

function without(node: Node, ...keys: readonly string[]): Node {
  const kept = Object.entries(node.attributes).filter(([key]) => !keys.includes(key));
  return { ...node, attributes: Object.fromEntries(kept) };
}

function withInput(node: Node, position: number, name: string): Node {
  const inputs = [...node.inputs];
  while (inputs.length <= position) inputs.push("");
  inputs[position] = name;
  return { ...node, inputs };
}

/** "To the end" may be 2^63 - 1, which is no exact number. */
function farEnds(values: readonly number[]): Tensor {
  return int64s(values.map((value) => Math.min(value, Number.MAX_SAFE_INTEGER)));
}
