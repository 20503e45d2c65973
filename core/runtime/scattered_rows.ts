import { int64s, type Node, numbers, readModel, stringOf, tensor } from "../onnx/mod.ts";
import { withoutDeadNodes, writeModel } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";

/**
 * Larger tables stay with the sorted form, which writes them once: the scatter fills them with
 * zeros and may have to copy them.
 */
const ELEMENTS_MAX = 2 ** 20;

/** The gradient of a table [height, width] as autodiff writes it for any number of threads. */
interface SummedRows {
  /** Indices from 0 on, [T]. */
  readonly indices: string;
  /** What is added up by them, [T, width]. */
  readonly rows: string;
  readonly height: number;
  readonly width: number;
}

/** Looks up a graph's nodes and constants. */
class Reader {
  readonly #makers: ReadonlyMap<string, Node>;
  readonly #graph: Graph;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  }

  /** The node that makes a value, if it is of this operator. */
  maker(value: string | undefined, op: string): Node | undefined {
    const node = this.#makers.get(value ?? "");
    return node?.op === op && node.domain === "" ? node : undefined;
  }

  integers(value: string | undefined): number[] | undefined {
    const constant = this.#graph.initializers.get(value ?? "");
    return constant === undefined ? undefined : Array.from(numbers(constant));
  }

  /** The Gather that takes rows in this order, or in it as filled up by Pad and cut by Slice. */
  gatherBy(order: string): Node | undefined {
    return this.#graph.nodes.find(({ op, inputs }) => {
      if (op !== "Gather") return false;
      const filled = this.maker(this.maker(inputs[1], "Slice")?.inputs[0], "Pad");
      return inputs[1] === order || filled?.inputs[0] === order;
    });
  }
}

/**
 * Reads Gather(sums, ScatterElements(Expand(−1, [rows]), sorted, places)) with (sorted, order) =
 * TopK(indices) and Gather(dy, order); see `embedding.ts` of autodiff.
 */
function summedRows(reader: Reader, node: Node): SummedRows | undefined {
  if (node.op !== "Gather" || node.domain !== "") return undefined;
  const places = reader.maker(node.inputs[1], "ScatterElements");
  if (places === undefined || stringOf(places, "reduction", "none") !== "add") return undefined;
  const [height] = reader.integers(reader.maker(places.inputs[0], "Expand")?.inputs[1]) ?? [];
  const sort = reader.maker(places.inputs[1], "TopK");
  const indices = reader.maker(sort?.inputs[0], "Mod")?.outputs[0];
  if (sort === undefined || indices === undefined || height === undefined) return undefined;
  const rows = reader.gatherBy(sort.outputs[1]!)?.inputs[0];
  const [, width] = reader.integers(reader.maker(rows, "Reshape")?.inputs[1]) ?? [];
  if (rows === undefined || width === undefined) return undefined;
  return height * width > ELEMENTS_MAX ? undefined : { indices, rows, height, width };
}

/**
 * The same graph with rows of equal index added up by `ScatterND`, in place of sorting them first
 * and summing them up by products of matrices. Of several threads two may add to one row at once
 * and lose a sum: only for sessions that run on one thread, where it takes a sixth of the time.
 */
export function scatteredRows(graph: Graph): Graph {
  const types = new Set([...graph.inputs, ...graph.initializers.values()].map((o) => o.dtype));
  if (types.has("float64") || types.has("float16")) return graph;
  const reader = new Reader(graph);
  const initializers = new Map<string, Tensor>(graph.initializers);
  const constant = (name: string, value: Tensor) => {
    initializers.set(name, value);
    return name;
  };
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const found = summedRows(reader, node);
    if (found === undefined) return [node];
    const [output] = node.outputs as [string];
    const named = (name: string) => `${output}.${name}`;
    const emit = (
      op: string,
      inputs: readonly string[],
      result: string,
      attributes: Node["attributes"] = {},
    ): Node => ({ name: `${result}.node`, op, domain: "", inputs, outputs: [result], attributes });
    // Of a shape that is known before the run, ONNX Runtime would keep the zeros as a constant.
    const shape = constant(named("sizes"), int64s([found.height, found.width]));
    const column = constant(named("column"), int64s([-1, 1]));
    return [
      emit("Shape", [found.indices], named("count")),
      emit("Sub", [named("count"), named("count")], named("nothing")),
      emit("Add", [shape, named("nothing")], named("shape")),
      emit("ConstantOfShape", [named("shape")], named("zeros"), {
        value: { type: "tensor", value: tensor("float32", [1], [0]) },
      }),
      emit("Reshape", [found.indices, column], named("indices")),
      emit("ScatterND", [named("zeros"), named("indices"), found.rows], output, {
        reduction: { type: "string", value: "add" },
      }),
    ];
  });
  return withoutDeadNodes({ ...graph, nodes, initializers });
}

/** Models in the form that `scatteredRows` gives, for a runtime of one thread; else as they are. */
export function scatteredModels<Name extends string>(
  models: { readonly [name in Name]?: Uint8Array },
  threads: number,
): { readonly [name in Name]?: Uint8Array } {
  if (threads !== 1) return models;
  const rewritten: { [name in Name]?: Uint8Array } = {};
  for (const name in models) {
    const model = models[name];
    if (model === undefined) continue;
    rewritten[name] = writeModel(scatteredRows(readModel(model, { file: `${name}.onnx` })));
  }
  return rewritten;
}
