import { consumers, type Graph, type Node, numbers, producers } from "../onnx/mod.ts";
import { byteCount, dimsAt, stringOf, withoutDeadNodes } from "../onnx/mod.ts";
import { readModel, writeModel } from "../onnx/mod.ts";
import type { Parameter, Port, StageManifest } from "./manifest.ts";
import type { StageModels } from "./stage_engine.ts";
import { freeValues, infoOf } from "./stage_graphs.ts";
import { arrivals, deferredPorts, distinct } from "./stage_ports.ts";

/** A value that is read after a graph's run. */
export type LeftPort = Port & {
  /** Whether the graph gives it out for this alone; else it was given, or serves others too. */
  readonly isLeft: boolean;
};

/** Rows that belong to the gradient of a table, to be added up by index when a graph has run. */
export interface TableRows {
  /** Name of the table's gradient. */
  readonly gradient: string;
  /** Rows of the table. */
  readonly height: number;
  /** For each index a row, float32 [..., width]. */
  readonly rows: LeftPort;
  /** Indices, from −height to height − 1, int64 or int32. */
  readonly indices: LeftPort;
}

/** Graphs that make gradients of weights. */
export type GradientGraph = "backward" | "weights" | "step";

/** A stage's graphs with what is left to be added up after their runs. */
export interface RowsLeft {
  /** A graph that has nothing else to do is absent. */
  readonly models: StageModels;
  /** By graph. */
  readonly rows: ReadonlyMap<GradientGraph, readonly TableRows[]>;
  /** Gradients to which rows are added and of which a graph writes another part. */
  readonly written: ReadonlySet<string>;
}

/** What rows may take: they lie beside the weights, in memory that ends at 4 GiB. */
const BYTES_MAX = 2 ** 28;

const GRAPHS: readonly GradientGraph[] = ["backward", "weights", "step"];

/**
 * The graphs of a stage without the sums of rows that are gradients of tables (see `embedding.ts`
 * of autodiff): they give out the rows instead, and the one who runs them adds these up where they
 * belong. Graphs and gradients of another form stay as they are.
 */
export function leaveRows(manifest: StageManifest, models: StageModels): RowsLeft {
  const rewritten: Partial<Record<keyof StageModels, Uint8Array>> = { ...models };
  const rows = new Map<GradientGraph, TableRows[]>();
  const written = new Set<string>();
  for (const name of GRAPHS) {
    const model = models[name];
    if (model === undefined || !manifest.parameters.some(({ dims }) => dims.length > 1)) continue;
    const found = rowsLeft(readModel(model, { file: `${name}.onnx` }), manifest);
    if (found.rows.length === 0) continue;
    rows.set(name, found.rows);
    for (const gradient of found.written) written.add(gradient);
    if (found.graph.outputs.length === 0) delete rewritten[name];
    else rewritten[name] = writeModel(found.graph);
  }
  return { models: rewritten, rows, written };
}

type RowSum = Omit<TableRows, "rows" | "indices"> & {
  readonly rows: Port;
  readonly indices: Port;
};

/** A gradient as the sum of rows by index and of other values. */
interface Terms {
  readonly gradient: string;
  readonly rows: readonly RowSum[];
  readonly others: readonly string[];
}

/** One graph in that form, the rows that it leaves, and the gradients that it still writes. */
export function rowsLeft(graph: Graph, manifest: StageManifest): {
  readonly graph: Graph;
  readonly rows: TableRows[];
  readonly written: string[];
} {
  const reader = new Reader(graph, manifest);
  const found = manifest.parameters.flatMap((parameter) => reader.terms(parameter) ?? []);
  const sums = found.flatMap((terms) => terms.rows);
  const whole = new Set(found.flatMap((o) => o.others.length === 0 ? [o.gradient] : []));
  const partial = found.filter(({ gradient }) => !whole.has(gradient));
  const shown = graph.outputs.filter(({ name }) => !whole.has(name));
  const known = new Set([...graph.inputs, ...shown].map(({ name }) => name));
  const ports = distinct(sums.flatMap(({ rows, indices }) => [rows, indices]));
  const left = ports.filter(({ value }) => !known.has(value));
  const asLeft = (port: Port): LeftPort => ({ ...port, isLeft: !known.has(port.value) });
  const rows = sums.map((o) => ({ ...o, rows: asLeft(o.rows), indices: asLeft(o.indices) }));
  const nodes = partial.reduce((list, terms) => withOthers(list, terms, reader), graph.nodes);
  const outputs = [...shown, ...left.map(infoOf)];
  const live = withoutDeadNodes({ ...graph, nodes, outputs });
  const read = freeValues(live.nodes);
  const inputs = live.inputs.filter(({ name }) => read.has(name));
  return { graph: { ...live, inputs }, rows, written: partial.map(({ gradient }) => gradient) };
}

/** `nodes` with a gradient that is the sum of its terms but the rows. */
function withOthers(nodes: readonly Node[], { gradient, others }: Terms, reader: Reader): Node[] {
  const [first] = others as [string];
  if (others.length === 1 && reader.isOwn(first)) {
    // The node that makes the term makes the gradient itself.
    const named = (value: string) => value === first ? gradient : value;
    return nodes.filter(({ outputs }) => outputs[0] !== gradient)
      .map((node) => ({ ...node, outputs: node.outputs.map(named) }));
  }
  const op = others.length === 1 ? "Identity" : "Sum";
  return nodes.map((node) =>
    node.outputs[0] === gradient ? { ...node, op, inputs: others, attributes: {} } : node
  );
}

/** Finds sums of rows in a graph. */
class Reader {
  readonly #graph: Graph;
  readonly #makers: ReadonlyMap<string, Node>;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #shown: ReadonlySet<string>;
  readonly #given: ReadonlySet<string>;
  readonly #ports: ReadonlyMap<string, Port>;
  readonly #batch: number;

  constructor(graph: Graph, manifest: StageManifest) {
    const { outputs, stash, indices = [], batch } = manifest;
    this.#graph = graph;
    this.#makers = producers(graph);
    this.#readers = consumers(graph);
    this.#shown = new Set(graph.outputs.map(({ name }) => name));
    this.#given = new Set(graph.inputs.map(({ name }) => name));
    const ports = [...arrivals(manifest), ...outputs, ...stash, ...deferredPorts(manifest)];
    this.#ports = new Map([...ports, ...indices].map((port) => [port.value, port]));
    this.#batch = batch;
  }

  /** The gradient of a parameter, where the graph makes it of rows and nothing else reads it. */
  terms({ gradient, dims }: Parameter): Terms | undefined {
    if (!this.#shown.has(gradient) || this.#readers.has(gradient)) return undefined;
    const sum = this.#maker(gradient, "Add") ?? this.#maker(gradient, "Sum");
    const table = { gradient, dims };
    const found = (sum?.inputs ?? [gradient]).map((value) => {
      const isTerm = sum === undefined || this.isOwn(value);
      return { value, rows: isTerm ? this.#summedRows(value, table) : undefined };
    });
    const rows = found.flatMap((term) => term.rows ?? []);
    const others = found.flatMap((term) => term.rows === undefined ? [term.value] : []);
    return rows.length === 0 ? undefined : { gradient, rows, others };
  }

  /** Whether a node makes `value` for one other node alone. */
  isOwn(value: string): boolean {
    return this.#makers.has(value) && !this.#shown.has(value) &&
      this.#readers.get(value)?.length === 1;
  }

  /**
   * Reads Gather(sums, ScatterElements(Expand(−1, [height]), sorted, places)), where TopK sorts
   * Mod(indices, height) and Gather(rows, order) takes rows in that order.
   */
  #summedRows(value: string, table: Pick<Parameter, "gradient" | "dims">): RowSum | undefined {
    const { gradient, dims: [height, ...rest] } = table;
    const sums = this.#maker(value, "Reshape")?.inputs[0] ?? value;
    const places = this.#maker(this.#maker(sums, "Gather")?.inputs[1], "ScatterElements");
    if (places === undefined || stringOf(places, "reduction", "none") !== "add") return undefined;
    const size = this.#integers(this.#maker(places.inputs[0], "Expand")?.inputs[1]);
    const sort = this.#maker(places.inputs[1], "TopK");
    const sorted = this.#maker(sort?.inputs[0], "Mod")?.inputs[0];
    if (sort === undefined || size?.[0] !== height || height === undefined) return undefined;
    const indices = this.#indices(sorted);
    const rows = this.#maker(this.#gatherBy(sort.outputs[1]!)?.inputs[0], "Reshape")?.inputs[0];
    if (indices === undefined || rows === undefined) return undefined;
    const port: Port = { value: rows, dtype: "float32", dims: [...indices.dims, ...rest] };
    const isFit = this.#isValue(rows) &&
      byteCount("float32", dimsAt(port.dims, this.#batch)) <= BYTES_MAX;
    return isFit ? { gradient, height, rows: port, indices } : undefined;
  }

  /** The indices of which one dimension and 64 bits were made. */
  #indices(value: string | undefined): Port | undefined {
    const flat = this.#before(value, "Cast");
    const whole = this.#maker(flat, "Reshape")?.inputs[0];
    const found = [whole, this.#before(whole, "Cast")].find((name) => {
      const dtype = this.#ports.get(name ?? "")?.dtype;
      return (dtype === "int64" || dtype === "int32") && this.#isValue(name!);
    });
    return this.#ports.get(found ?? "");
  }

  #isValue(name: string): boolean {
    return this.#given.has(name) || this.#makers.has(name);
  }

  /** What an operator made `value` of, or the value itself. */
  #before(value: string | undefined, op: string): string | undefined {
    return this.#maker(value, op)?.inputs[0] ?? value;
  }

  /** The node that makes a value, if it is of this operator. */
  #maker(value: string | undefined, op: string): Node | undefined {
    const node = this.#makers.get(value ?? "");
    return node?.op === op && node.domain === "" ? node : undefined;
  }

  #integers(value: string | undefined): number[] | undefined {
    const constant = this.#graph.initializers.get(value ?? "");
    return constant === undefined ? undefined : Array.from(numbers(constant));
  }

  /** The Gather that takes rows in this order, or in it as filled up by Pad and cut by Slice. */
  #gatherBy(order: string): Node | undefined {
    return this.#graph.nodes.find(({ op, inputs }) => {
      if (op !== "Gather") return false;
      const filled = this.#maker(this.#maker(inputs[1], "Slice")?.inputs[0], "Pad");
      return inputs[1] === order || filled?.inputs[0] === order;
    });
  }
}
