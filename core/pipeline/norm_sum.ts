/** A message of {@link NormSum} to another stage. */
export interface NormMessage {
  readonly to: number;
  readonly update: number;
  readonly squares: number;
}

/** What a stage knows of the next update's gradients. */
interface Round {
  /** Sum of this stage's own gradients' squares, once they are complete. */
  own: number | undefined;
  /** What each consumer has sent. */
  readonly parts: Map<number, number>;
  total: number | undefined;
}

/**
 * The sum of a number over all stages before each update, as a pure state machine: what clipping by
 * the norm of all gradients needs. Each stage tells the sum of itself and all stages behind it to
 * one of its producers (0 to the others, so that nothing counts twice); stage 0, which all of them
 * lead to, sends the whole sum back along the same links.
 *
 * At most one sum is under way: a stage begins the next one after it has made its update.
 */
export class NormSum {
  readonly #producers: readonly number[];
  readonly #consumers: readonly number[];
  #update = 0;
  #round: Round = { own: undefined, parts: new Map(), total: undefined };

  /** @param neighbours stages that send activations to this one, and those that read its own */
  constructor(
    neighbours: { readonly producers: readonly number[]; readonly consumers: readonly number[] },
  ) {
    this.#producers = [...neighbours.producers].sort((a, b) => a - b);
    this.#consumers = [...neighbours.consumers].sort((a, b) => a - b);
  }

  /** The gradients of `update` are complete on this stage; returns what is to be sent. */
  contribute(update: number, squares: number): NormMessage[] {
    this.#check(update);
    if (this.#round.own !== undefined) throw new Error(`update ${update} was told twice`);
    this.#round.own = squares;
    return this.#forward();
  }

  /**
   * A message arrived from stage `from`; returns what is to be sent.
   *
   * @throws {Error} where it is about another update, doubled, or from a stage that has no
   * business here
   */
  arrived(from: number, update: number, squares: number): NormMessage[] {
    // All producers send the same sum: the first one's counts, the others' may come late.
    if (this.#producers.indexOf(from) > 0) return [];
    this.#check(update);
    if (this.#consumers.includes(from)) {
      const { parts } = this.#round;
      if (parts.has(from)) throw new Error(`stage ${from} told update ${update} twice`);
      parts.set(from, squares);
      return this.#forward();
    }
    if (from !== this.#producers[0]) throw new Error(`stage ${from} sends no norms here`);
    return this.#complete(squares);
  }

  /** The sum over all stages, once it is known. */
  total(update: number): number | undefined {
    return update === this.#update ? this.#round.total : undefined;
  }

  /** The update has been made: the next one may begin. */
  made(update: number): void {
    this.#check(update);
    this.#update += 1;
    this.#round = { own: undefined, parts: new Map(), total: undefined };
  }

  #check(update: number): void {
    if (update === this.#update) return;
    throw new Error(`the norm of update ${update} came where ${this.#update} was expected`);
  }

  /** Once this stage and all behind it are known: tells its producers, or everybody at stage 0. */
  #forward(): NormMessage[] {
    const { own, parts } = this.#round;
    if (own === undefined || parts.size < this.#consumers.length) return [];
    const squares = this.#consumers.reduce((sum, stage) => sum + parts.get(stage)!, own);
    if (this.#producers.length === 0) return this.#complete(squares);
    const update = this.#update;
    return this.#producers.map((to, i) => ({ to, update, squares: i === 0 ? squares : 0 }));
  }

  #complete(squares: number): NormMessage[] {
    this.#round.total = squares;
    return this.#consumers.map((to) => ({ to, update: this.#update, squares }));
  }
}
