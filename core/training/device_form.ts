import {
  floatOf,
  int64s,
  intOf,
  numbers,
  readModel,
  readsOf,
  stringOf,
  tensor,
  writeModel,
} from "../onnx/mod.ts";
import type { Graph, Node, Tensor } from "../onnx/mod.ts";
import type { Device } from "../runtime/mod.ts";

/** First opset in which ReduceMean takes its axes as an input. */
const AXES_INPUT_OPSET = 18;
/** First opset of ScatterElements. */
const SCATTER_OPSET = 11;

/**
 * A stage's graph in operators that GPUs have kernels for. ONNX Runtime runs the others on the CPU,
 * taking their inputs to the host and their outputs back in every step, or refuses the graph:
 *
 * - BatchNormalization in training mode, which CUDA refuses since opset 14: mean and variance of
 *   the batch by reductions, the rest by the inference form.
 * - BitShift to the right, of which dropout masks are made: a division by a power of two.
 * - MaxUnpool, by which gradients go back through max-pooling: ScatterElements into zeros.
 *
 * Names of values stay, and so do values, bit for bit where they are integers.
 */
export function deviceForm(graph: Graph): Graph {
  const form = new DeviceForm(graph);
  const nodes = graph.nodes.flatMap((node) => form.rewrite(node));
  const read = new Set([
    ...nodes.flatMap((node) => [...readsOf(node)]),
    ...graph.outputs.map(({ name }) => name),
  ]);
  const constants = [...graph.initializers, ...form.constants];
  return { ...graph, nodes, initializers: new Map(constants.filter(([name]) => read.has(name))) };
}

/** A model file as a device takes it. */
export interface DeviceModel {
  readonly model: Uint8Array;
  /** Nodes that the CPU must compute. */
  readonly hostNodes?: readonly string[];
}

/** A model file in {@linkcode deviceForm}; `file` is its name in messages. */
export function deviceModel(model: Uint8Array, file: string, device: Device): DeviceModel {
  const graph = deviceForm(readModel(model, { file }));
  return { model: writeModel(graph), hostNodes: device === "webgpu" ? hostNodes(graph) : [] };
}

/** Filters of one group up to which WebGPU computes them one by one. */
const PLAIN_FILTERS_MAX = 4;

/**
 * Nodes that WebGPU's kernels in ONNX Runtime 1.30 fail at: MaxPool does not tell where its maxima
 * are, and the results of a grouped Conv are wrong where a group has more than four filters and not
 * a multiple of four.
 */
function hostNodes({ nodes, inputs, initializers }: Graph): string[] {
  const shapes = new Map(inputs.map(({ name, shape }) => [name, shape]));
  const fails = (node: Node): boolean => {
    if (node.op === "MaxPool") return node.outputs.length > 1;
    const groups = intOf(node, "group", 1);
    if (node.op !== "Conv" || groups === 1) return false;
    const weight = node.inputs[1] ?? "";
    const filters = (initializers.get(weight)?.dims ?? shapes.get(weight))?.[0];
    if (typeof filters !== "number") return true;
    const each = filters / groups;
    return each > PLAIN_FILTERS_MAX && each % 4 !== 0;
  };
  return nodes.filter((node) => node.domain === "" && fails(node)).map(({ name }) => name);
}

class DeviceForm {
  readonly constants = new Map<string, Tensor>();
  readonly #graph: Graph;
  readonly #opset: number;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#opset = graph.opsets.get("") ?? 1;
  }

  /** The nodes that take the place of `node`. */
  rewrite(node: Node): Node[] {
    if (node.domain !== "") return [node];
    switch (node.op) {
      case "BatchNormalization":
        return this.#batchNormalization(node) ?? [node];
      case "BitShift":
        return this.#rightShift(node) ?? [node];
      case "MaxUnpool":
        return this.#maxUnpool(node) ?? [node];
      default:
        return [node];
    }
  }

  /** x as [N, C, rest]; mean = E x, variance = E (x − mean)² over N and the rest. */
  #batchNormalization(node: Node): Node[] | undefined {
    // With another momentum the outputs would mix in the statistics that were put in.
    const ofBatch = intOf(node, "training_mode", 0) === 1 && floatOf(node, "momentum", 0.9) === 0;
    if (!ofBatch) return undefined;
    const [x = "", scale = "", bias = ""] = node.inputs;
    const at = (name: string) => `ravn.device.${node.name}.${name}`;
    const [y = "", mean = at("mean"), variance = at("variance")] = node.outputs;
    const { epsilon } = node.attributes;
    const attributes = epsilon === undefined ? {} : { epsilon };
    return [
      made("Reshape", at("maps"), [x, this.#ints(at("shape"), [0, 0, -1])]),
      this.#mean(at("means"), at("maps"), 1),
      made("Sub", at("centred"), [at("maps"), at("means")]),
      made("Mul", at("squares"), [at("centred"), at("centred")]),
      this.#mean(variance, at("squares"), 0),
      made("Reshape", mean, [at("means"), this.#ints(at("flat"), [-1])]),
      { ...node, inputs: [x, scale, bias, mean, variance], outputs: [y], attributes },
    ];
  }

  /** Mean of [N, C, rest] over N and the rest. */
  #mean(output: string, input: string, keepdims: 0 | 1): Node {
    const keep = { keepdims: { type: "int", value: keepdims } } as const;
    const axes = [0, 2];
    if (this.#opset < AXES_INPUT_OPSET) {
      return made("ReduceMean", output, [input], { ...keep, axes: { type: "ints", value: axes } });
    }
    return made("ReduceMean", output, [input, this.#ints(`${output}.axes`, axes)], keep);
  }

  /** x >> n = ⌊x / 2ⁿ⌋ for unsigned x. */
  #rightShift(node: Node): Node[] | undefined {
    const [x = "", amount = ""] = node.inputs;
    const bits = this.#graph.initializers.get(amount);
    if (bits === undefined || stringOf(node, "direction", "") !== "RIGHT") return undefined;
    const divisor = `ravn.device.${node.name}.divisor`;
    const powers = Array.from(numbers(bits), (n) => 2 ** n);
    this.constants.set(divisor, tensor(bits.dtype, bits.dims, powers));
    return [{ ...node, op: "Div", inputs: [x, divisor], attributes: {} }];
  }

  /** The elements put where the indices say, which count through the whole result. */
  #maxUnpool(node: Node): Node[] | undefined {
    const [x = "", indices = "", shape = ""] = node.inputs;
    if (shape === "" || this.#opset < SCATTER_OPSET) return undefined;
    const at = (name: string) => `ravn.device.${node.name}.${name}`;
    const flat = this.#ints(at("flat"), [-1]);
    const axis = { axis: { type: "int", value: 0 } } as const;
    return [
      made("ConstantOfShape", at("zeros"), [shape]),
      made("Reshape", at("places"), [at("zeros"), flat]),
      made("Reshape", at("updates"), [x, flat]),
      made("Reshape", at("indices"), [indices, flat]),
      made("ScatterElements", at("filled"), [at("places"), at("indices"), at("updates")], axis),
      { ...node, op: "Reshape", inputs: [at("filled"), shape], attributes: {} },
    ];
  }

  #ints(name: string, values: readonly number[]): string {
    this.constants.set(name, int64s(values));
    return name;
  }
}

function made(
  op: string,
  output: string,
  inputs: readonly string[],
  attributes: Node["attributes"] = {},
): Node {
  return { name: `${output}.node`, op, domain: "", inputs, outputs: [output], attributes };
}
