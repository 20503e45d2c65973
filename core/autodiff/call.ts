import type { Extent, Fact, Facts } from "../onnx/mod.ts";
import type { Node } from "../onnx/mod.ts";
import { type DType, numbers, type Tensor } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import type { Operations, Shaped } from "./operations.ts";
import { reduceTo } from "./broadcast.ts";
import type { ChooseFormulation } from "./formulation.ts";

/** What a call needs to know of the graph around its node. */
export interface Surroundings {
  readonly facts: Facts;
  readonly initializers: ReadonlyMap<string, Tensor>;
  /** The nodes that read a value. */
  consumers(value: string): readonly Node[];
  /** The node that makes a value. */
  producer(value: string): Node | undefined;
  /**
   * True where a gradient enters the graph at this value, or its gradient is one of the results.
   */
  exposed(value: string): boolean;
  /** True where a value depends on what is differentiated for. */
  carries(value: string): boolean;
  /** Picks a formulation where a gradient has several. */
  readonly choose: ChooseFormulation | undefined;
  /** Threads on which the gradient will run. */
  readonly threads: number;
}

/** One application of an operator, as its rule sees it. */
export class Call {
  readonly node: Node;
  /** Version of the node's operator set. */
  readonly opset: number;
  /** Where the gradient's nodes go. */
  readonly emit: Operations;
  /** Gradients of the outputs; undefined where none arrives. */
  readonly outputGradients: readonly (string | undefined)[];
  readonly around: Surroundings;

  constructor(
    node: Node,
    opset: number,
    emit: Operations,
    outputGradients: readonly (string | undefined)[],
    around: Surroundings,
  ) {
    this.node = node;
    this.opset = opset;
    this.emit = emit;
    this.outputGradients = outputGradients;
    this.around = around;
  }

  /** Input `i` by name. */
  input(i: number): string {
    const name = this.node.inputs[i];
    if (name === undefined || name === "") this.refuse(`input ${i} is missing`);
    return name;
  }

  /** True where the optional input `i` is given. */
  has(i: number): boolean {
    return (this.node.inputs[i] ?? "") !== "";
  }

  /** Output `i` by name. */
  output(i: number = 0): string {
    const name = this.node.outputs[i];
    if (name === undefined || name === "") this.refuse(`output ${i} is missing`);
    return name;
  }

  /** Gradient of output 0. */
  get dy(): string {
    const gradient = this.outputGradients[0];
    if (gradient === undefined) {
      this.refuse("a gradient arrives at a secondary output, which has none");
    }
    return gradient;
  }

  /** What is known of a value of the forward graph. */
  fact(value: string): Fact {
    const fact = this.around.facts.get(value);
    if (fact === undefined) this.refuse(`nothing is known of the shape of "${value}"`);
    return fact;
  }

  dims(value: string): readonly Extent[] {
    return this.fact(value).dims;
  }

  /** The dimensions of `value` from axis `from` on, which must not follow the batch. */
  fixedDims(value: string, from: number = 0): number[] {
    return this.dims(value).slice(from).map((extent) =>
      typeof extent === "number"
        ? extent
        : this.refuse(`a dimension of "${value}" other than the first follows the batch`)
    );
  }

  dtype(value: string): DType {
    return this.fact(value).dtype;
  }

  /** Element type of the gradients: that of output 0. */
  get type(): DType {
    return this.dtype(this.output());
  }

  shaped(value: string): Shaped {
    return { name: value, dims: this.dims(value) };
  }

  /** Numbers of input `i` where neither feeds nor training change them; undefined where they do. */
  constant(i: number): number[] | undefined {
    if (!this.has(i) || this.around.carries(this.input(i))) return undefined;
    const name = this.input(i);
    const value = this.around.initializers.get(name) ?? this.around.facts.get(name)?.constant;
    return value === undefined ? undefined : Array.from(numbers(value));
  }

  /** Numbers of input `i`, which must not depend on what is fed. */
  constantOrRefuse(i: number, meaning: string): number[] {
    return this.constant(i) ?? this.refuse(`its ${meaning} (input ${i}) must be constant`);
  }

  /** `gradient`, which has the shape `dims`, summed back to the shape of input `i`. */
  unbroadcast(gradient: string, dims: readonly Extent[], i: number): string {
    const { dtype, dims: to } = this.fact(this.input(i));
    return reduceTo(this.emit, gradient, { from: dims, to, dtype });
  }

  /** The shape of a forward value at run time, taken from the gradient where that is possible. */
  shapeOf(value: string): string {
    return this.emit.shape(this.dims(value), this.references(value));
  }

  /** Values that tell the batch size: the gradients first, since a value must be kept for it. */
  references(value: string): Shaped[] {
    const gradients = this.outputGradients.flatMap((gradient, i) =>
      gradient === undefined ? [] : [{ name: gradient, dims: this.dims(this.output(i)) }]
    );
    return [...gradients, this.shaped(value)];
  }

  /** `a` in the shape of the forward value `value`. */
  reshapeLike(a: string, value: string): string {
    return this.emit.reshape(a, this.dims(value), value);
  }

  /** Zeros in the shape and type of a forward value. */
  zerosLike(value: string): string {
    const zero = this.emit.scalar(this.dtype(value), 0);
    return this.emit.expand(zero, this.shapeOf(value));
  }

  /** Refuses to differentiate this node. */
  refuse(why: string): never {
    const { name, op } = this.node;
    throw new RavnError(`cannot differentiate node "${name}" (${op}): ${why}`);
  }
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
