import type { Operation } from "./schedule.ts";

/** The stages with which one exchanges activations and gradients. */
export interface Neighbours {
  /** Stages that send activations (or data) to this one. */
  readonly producers: readonly number[];
  /** Stages that read this one's activations, and so send a backward message for each. */
  readonly consumers: readonly number[];
}

/** A message that a stage cannot go on without. */
export interface Awaited {
  readonly kind: "forward" | "backward" | "evaluate" | "evaluated";
  readonly microBatch: number;
  /** The stage that has to send it. */
  readonly stage: number;
}

/**
 * A stage of the pipeline as a pure state machine: it walks a fixed order of operations and holds
 * each one back until the messages it needs have arrived. It knows no clock, socket or tensor.
 */
export class StageMachine {
  readonly #order: Iterator<Operation>;
  readonly #forwards: Map<number, number>;
  readonly #backwards: Map<number, number>;
  #next: Operation | undefined;
  readonly #mayUpdate: (update: number) => boolean;
  readonly #mayAdopt: () => boolean;

  /**
   * @param mayUpdate false holds an update back: while a validation keeps the weights, or the norm
   *   of its gradients is not known
   * @param mayAdopt false holds an average back that is not complete
   */
  constructor(
    order: Iterable<Operation>,
    neighbours: Neighbours,
    mayUpdate: (update: number) => boolean = () => true,
    mayAdopt: () => boolean = () => true,
  ) {
    this.#order = order[Symbol.iterator]();
    this.#forwards = new Map(neighbours.producers.map((stage) => [stage, 0]));
    this.#backwards = new Map(neighbours.consumers.map((stage) => [stage, 0]));
    this.#mayUpdate = mayUpdate;
    this.#mayAdopt = mayAdopt;
    this.#advance();
  }

  #advance(): void {
    const { done, value } = this.#order.next();
    this.#next = done === true ? undefined : value;
  }

  /** The operation to run now, or undefined while it waits for messages, or for nothing more. */
  next(): Operation | undefined {
    return this.#next !== undefined && this.#ready(this.#next) ? this.#next : undefined;
  }

  /** The operation that `next` gave is done. */
  completed(): void {
    if (this.finished) throw new Error("no operation was under way");
    this.#advance();
  }

  /** True when every operation of the run is done. */
  get finished(): boolean {
    return this.#next === undefined;
  }

  /**
   * A message arrived. Messages of one stage come in the order of their micro-batches.
   *
   * @throws {Error} when it is out of order, doubled, or from a stage that has no business here
   */
  arrived(kind: "forward" | "backward", microBatch: number, from: number): void {
    const counts = kind === "forward" ? this.#forwards : this.#backwards;
    const expected = counts.get(from);
    if (expected === undefined) throw new Error(`stage ${from} sends no ${kind} messages here`);
    if (expected !== microBatch) {
      throw new Error(
        `stage ${from} sent ${kind} ${microBatch} where ${kind} ${expected} was expected`,
      );
    }
    counts.set(from, expected + 1);
  }

  /** The update that comes next, ready or not; undefined where something else does. */
  get nextUpdate(): number | undefined {
    return this.#next?.type === "update" ? this.#next.update : undefined;
  }

  /** Whether an average is to be taken over next, complete or not. */
  get adopts(): boolean {
    return this.#next?.type === "adopt";
  }

  /** The message it waits for; undefined where it waits for none. */
  get awaits(): Awaited | undefined {
    const operation = this.#next;
    if (operation === undefined || "update" in operation) return undefined;
    if (operation.type === "weights") return undefined;
    const kind = operation.type === "backward" ? "backward" : "forward";
    const counts = kind === "forward" ? this.#forwards : this.#backwards;
    for (const [stage, count] of counts) {
      if (count <= operation.microBatch) return { kind, microBatch: operation.microBatch, stage };
    }
    return undefined;
  }

  #ready(operation: Operation): boolean {
    if (operation.type === "update") return this.#mayUpdate(operation.update);
    if (operation.type === "adopt") return this.#mayAdopt();
    return this.awaits === undefined;
  }
}
