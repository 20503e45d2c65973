import type { Extent, Fact, Facts, Graph, Node, Tensor, ValueInfo } from "../onnx/mod.ts";
import { consumers, intOf, numbers } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { type Statistic, trainingBatchNormalization } from "./batch_statistics.ts";
import { dropoutSalt } from "./dropout_hash.ts";
import { hashedMask, SEED_INPUT, STEP_INPUT } from "./dropout_mask.ts";
import { Operations } from "./operations.ts";
import { dropoutRatio } from "./dropout_ratio.ts";

/** A dropout mask that the graph takes as an input. */
export interface Mask {
  /** Name of the graph input: float32, (keep ? 1 / (1 − ratio) : 0) for each element. */
  readonly input: string;
  readonly dims: readonly Extent[];
  /** Probability of dropping an element. */
  readonly ratio: number;
  /** Third argument of the hash; see `dropoutKeeps`. */
  readonly salt: number;
}

/** How a graph is put in training form. */
export interface TrainingFormOptions {
  /** Mean and variance of each batch come out of the graph as values. */
  readonly statistics: true;
  /**
   * Where dropout masks come from: `"input"` makes each a graph input, which the host fills;
   * `"graph"` computes the same mask by integer operators from the inputs `ravn.seed` and
   * `ravn.step` (both uint32 [1]).
   */
  readonly maskAs: "input" | "graph";
}

/** A graph as it runs in training. */
export interface TrainingGraph {
  readonly graph: Graph;
  /** Those of the original graph, and of the new values. */
  readonly facts: Facts;
  /** Inputs to be filled before every run; none where masks are made in the graph. */
  readonly masks: readonly Mask[];
  /** Running statistics to be updated after every run. */
  readonly statistics: readonly Statistic[];
}

/**
 * The graph as it runs in training: BatchNormalization normalises by the batch's own statistics and
 * gives them out, Dropout is a product with a mask, MaxPool tells where it found its maxima and
 * LayerNormalization by what it normalised. Names of values stay.
 *
 * @throws {RavnError} naming the node, where one cannot be put in that form.
 */
export function trainingForm(
  graph: Graph,
  facts: Facts,
  options: TrainingFormOptions,
): TrainingGraph {
  const form = new TrainingForm(graph, facts, options.maskAs);
  for (const node of graph.nodes) form.add(node);
  return form.build();
}

/** A training form in the making. */
export class TrainingForm {
  readonly graph: Graph;
  readonly emit: Operations;
  readonly statistics: Statistic[] = [];
  readonly #maskAs: TrainingFormOptions["maskAs"];
  readonly #facts: Map<string, Fact>;
  readonly #masks: Mask[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #nodes: Node[] = [];
  readonly #read: ReadonlySet<string>;

  constructor(graph: Graph, facts: Facts, maskAs: TrainingFormOptions["maskAs"]) {
    this.graph = graph;
    this.#maskAs = maskAs;
    this.#facts = new Map(facts);
    this.#read = new Set([...consumers(graph).keys(), ...graph.outputs.map(({ name }) => name)]);
    const taken = [
      ...facts.keys(),
      ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
    ];
    this.emit = new Operations(this.opset, taken, "ravn.");
  }

  /** Version of ONNX's default operator set in the graph. */
  get opset(): number {
    return this.graph.opsets.get("") ?? 1;
  }

  /** Adds a node of the original graph, in its training form. */
  add(node: Node): void {
    if (node.domain !== "") this.push(node);
    else if (node.op === "BatchNormalization") trainingBatchNormalization(this, node);
    else if (node.op === "Dropout") this.#dropout(node);
    else if (node.op === "MaxPool") this.#maxPool(node);
    else if (node.op === "LayerNormalization") this.#layerNormalization(node);
    else this.push(node);
  }

  /** Adds what has been emitted, then a node as it is. */
  push(node: Node): void {
    this.#nodes.push(...this.emit.nodes.splice(0), node);
  }

  /** States element type and shape of a new value and returns its name. */
  note(name: string, fact: Fact): string {
    this.#facts.set(name, fact);
    return name;
  }

  /** What is known of a value. */
  fact(name: string): Fact {
    const fact = this.#facts.get(name);
    if (fact === undefined) throw new RavnError(`nothing is known of the shape of "${name}"`);
    return fact;
  }

  /** True where something reads the value, or the graph gives it out. */
  isRead(name: string | undefined): boolean {
    return name !== undefined && name !== "" && this.#read.has(name);
  }

  build(): TrainingGraph {
    const { graph, emit } = this;
    for (const [name, { dtype, dims }] of emit.initializers) this.note(name, { dtype, dims });
    return {
      graph: {
        ...graph,
        nodes: this.#nodes,
        inputs: [...graph.inputs, ...this.#inputs],
        initializers: new Map<string, Tensor>([...graph.initializers, ...emit.initializers]),
      },
      facts: this.#facts,
      masks: this.#masks,
      statistics: this.statistics,
    };
  }

  #maxPool(node: Node): void {
    if ((node.outputs[1] ?? "") !== "" || this.opset < 8) return this.push(node);
    const y = node.outputs[0]!;
    const indices = this.emit.fresh(`indices.${node.name}`);
    this.note(indices, { dtype: "int64", dims: this.fact(y).dims });
    const { storage_order: _, ...attributes } = node.attributes;
    this.push({ ...node, attributes, outputs: [y, indices] });
  }

  /** Lets the node give out the statistics that its gradient needs. */
  #layerNormalization(node: Node): void {
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    const { dtype, dims } = this.fact(x);
    if (node.outputs.slice(1).some((name) => name !== "") || dtype !== "float32") {
      return this.push(node);
    }
    const axis = intOf(node, "axis", -1);
    const first = axis < 0 ? axis + dims.length : axis;
    const kept = dims.map((extent, i) => i < first ? extent : 1);
    const statistics = ["mean", "inverse"].map((kind) =>
      this.note(this.emit.fresh(`${kind}.${node.name}`), { dtype, dims: kept })
    );
    this.push({ ...node, outputs: [y, ...statistics] });
  }

  #dropout(node: Node): void {
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    if (this.isRead(node.outputs[1])) {
      throw new RavnError(
        `cannot train with node "${node.name}" (Dropout): its mask output ` +
          `"${node.outputs[1]}" is read elsewhere; compute it from the output instead`,
      );
    }
    const ratio = dropoutRatio(node, (name) => {
      const value = this.graph.initializers.get(name) ?? this.#facts.get(name)?.constant;
      return value === undefined ? undefined : numbers(value)[0];
    });
    const made = { name: node.name, domain: "", outputs: [y], attributes: {} };
    if (ratio === 0) return this.push({ ...made, op: "Identity", inputs: [x] });
    const { dtype, dims } = this.fact(x);
    const mask = this.#mask(node, x, dims, ratio);
    this.note(mask, { dtype: "float32", dims });
    const factor = dtype === "float32"
      ? mask
      : this.note(this.emit.cast(mask, dtype), { dtype, dims });
    this.push({ ...made, op: "Mul", inputs: [x, factor] });
  }

  #mask(node: Node, x: string, dims: readonly Extent[], ratio: number): string {
    const salt = dropoutSalt(node.name);
    if (this.#maskAs === "input") {
      const input = this.emit.fresh(`mask.${node.name}`);
      const shape = dims.map((extent, i) =>
        typeof extent === "number" ? extent : batchDimension(extent.perSample, input, i)
      );
      this.#inputs.push({ name: input, dtype: "float32", shape });
      this.#masks.push({ input, dims, ratio, salt });
      return input;
    }
    for (const name of [SEED_INPUT, STEP_INPUT]) {
      if (this.#facts.has(name)) continue;
      this.#inputs.push({ name, dtype: "uint32", shape: [1] });
      this.note(name, { dtype: "uint32", dims: [1] });
    }
    this.emit.enter(node.name);
    const mask = hashedMask(this, x, { ratio, salt });
    this.emit.enter("");
    return mask;
  }
}

/** The batch dimension by its name; a multiple of it is a dimension with a name of its own. */
function batchDimension(perSample: number, input: string, axis: number): string {
  return perSample === 1 ? "batch" : `${input}.${axis}`;
}
