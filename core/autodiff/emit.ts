import type { Attribute, Node } from "../onnx/mod.ts";
import { elementCount, int64s, type Tensor, tensor } from "../onnx/mod.ts";
import type { DType } from "../onnx/mod.ts";

/** Attributes in short: an integer number, a string or a list of integers stands for itself. */
export type Attributes = Readonly<Record<string, Attribute | number | string | readonly number[]>>;

/** Domain of ONNX Runtime's own operators. */
export const MICROSOFT = "com.microsoft";

/** Constants up to this many elements are looked up before a new one is made. */
const SHARED_CONSTANT_ELEMENTS_MAX = 4096;

function attributeOf(value: Attribute | number | string | readonly number[]): Attribute {
  if (typeof value === "number") return { type: "int", value };
  if (typeof value === "string") return { type: "string", value };
  if (value instanceof Array) return { type: "ints", value };
  return value as Attribute;
}

/** A float attribute; a bare number would become an integer one. */
export function float(value: number): Attribute {
  return { type: "float", value };
}

/**
 * Collects new nodes and constants for a graph. Names are fresh; a node that was emitted before
 * with the same operator, inputs and attributes is not emitted again, so that rules may ask for
 * what they need without looking what other rules have made.
 */
export class Emitter {
  /** Nodes in topological order. */
  readonly nodes: Node[] = [];
  /** Constants that the nodes read. */
  readonly initializers: Map<string, Tensor> = new Map();
  /** Version of the default operator set in which nodes are written. */
  readonly opset: number;
  /** Operator sets in use besides the default one. */
  readonly domains: Set<string> = new Set();

  readonly #taken: Set<string>;
  readonly #prefix: string;
  readonly #emitted = new Map<string, readonly string[]>();
  readonly #constants = new Map<string, string>();
  #scope = "";

  /** `taken` are the names in use already; every new name starts with `prefix`. */
  constructor(opset: number, taken: Iterable<string>, prefix: string) {
    this.opset = opset;
    this.#taken = new Set(taken);
    this.#prefix = prefix;
  }

  /** Names of what is emitted from now on tell that it was made for `node`. */
  enter(node: string): void {
    this.#scope = node === "" ? "" : `${node}.`;
  }

  /** A name that nothing else has. */
  fresh(hint: string): string {
    const base = `${this.#prefix}${this.#scope}${hint}`;
    let name = base;
    for (let n = 2; this.#taken.has(name); n++) name = `${base}_${n}`;
    this.#taken.add(name);
    return name;
  }

  /** Emits a node with one output and returns that output's name. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    domain: string = "",
  ): string {
    return this.outputs(1, op, inputs, attributes, domain)[0]!;
  }

  /** Emits a node with `count` outputs and returns their names. */
  outputs(
    count: number,
    op: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    domain: string = "",
  ): readonly string[] {
    const full = Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [key, attributeOf(value)]),
    );
    const identity = JSON.stringify([op, domain, count, inputs, full]);
    const known = this.#emitted.get(identity);
    if (known !== undefined) return known;
    const name = this.fresh(op);
    const outputs = [name];
    for (let i = 1; i < count; i++) outputs.push(this.fresh(op));
    this.nodes.push({ name, op, domain, inputs: [...inputs], outputs, attributes: full });
    if (domain !== "") this.domains.add(domain);
    this.#emitted.set(identity, outputs);
    return outputs;
  }

  /** A constant; equal small constants share one initializer. */
  constant(value: Tensor, hint: string = "constant"): string {
    const shared = elementCount(value.dims) <= SHARED_CONSTANT_ELEMENTS_MAX;
    const identity = shared ? `${value.dtype}[${value.dims}]${value.bytes}` : "";
    const known = shared ? this.#constants.get(identity) : undefined;
    if (known !== undefined) return known;
    const scope = this.#scope;
    this.#scope = "";
    const name = this.fresh(hint);
    this.#scope = scope;
    this.initializers.set(name, value);
    if (shared) this.#constants.set(identity, name);
    return name;
  }

  /** A rank-1 int64 constant: the form of shapes and axes. */
  ints(values: readonly number[]): string {
    return this.constant(int64s(values));
  }

  /** A constant without dimensions. */
  scalar(dtype: DType, value: number): string {
    return this.constant(tensor(dtype, [], [value]));
  }
}
