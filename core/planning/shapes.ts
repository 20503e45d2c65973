import { byteCount, dimsAt, elementCount } from "../onnx/mod.ts";
import type { Fact, Facts, Graph } from "../onnx/mod.ts";

/** Sizes of a model's values at one batch size. */
export class Shapes {
  readonly #graph: Graph;
  readonly #facts: Facts;
  readonly batch: number;

  constructor(graph: Graph, facts: Facts, batch: number) {
    this.#graph = graph;
    this.#facts = facts;
    this.batch = batch;
  }

  /**
   * Type and shape of a value.
   *
   * @throws {Error} where tracing left it out
   */
  fact(value: string): Fact {
    const fact = this.#facts.get(value) ?? this.#graph.initializers.get(value);
    if (fact === undefined) throw new Error(`nothing is known about the value "${value}"`);
    return fact;
  }

  dims(value: string): number[] {
    return dimsAt(this.fact(value).dims, this.batch);
  }

  elements(value: string): number {
    return elementCount(this.dims(value));
  }

  bytes(value: string): number {
    return byteCount(this.fact(value).dtype, this.dims(value));
  }
}
