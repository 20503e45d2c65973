import type { Holder, Piece } from "./pieces.ts";

/** What a transfer carries: a sum that is not complete yet, or one that is. */
export type TransferKind = "reduce" | "gather";

/** What a node is to do. A sum that is complete arrives in its place and needs no action. */
export type ReduceAction =
  /** Adds what arrived of a piece to this node's own. */
  | { readonly type: "add"; readonly piece: number }
  /** Sends a piece to stage `to` of the next cluster, as it is after the actions before. */
  | {
    readonly type: "send";
    readonly kind: TransferKind;
    readonly piece: number;
    readonly to: number;
  };

/** What a piece waits for on this node. */
type Waiting = "reduce" | "gather" | "nothing";

/**
 * One node of a ring all-reduce as a pure state machine. Each piece goes once around the clusters
 * and is summed on the way (reduce-scatter), then the complete sum goes around once more
 * (all-gather): both take clusters − 1 transfers. Every element is added in one order and copied
 * from there, so that all clusters get the same bits.
 *
 * Rounds may overlap: a node that has not begun a round keeps what arrives of it. A piece of round
 * n + 1 arrives only when the sender has all of round n, which is after this node has taken in the
 * same piece of round n: so one buffer a piece suffices.
 */
export class AllReduce {
  readonly #pieces: readonly Piece[];
  readonly #self: Holder;
  readonly #own: readonly number[];
  readonly #waiting = new Map<number, Waiting>();
  /** Pieces of the next round that have arrived already. */
  #early = new Set<number>();
  #round = -1;
  #left = 0;

  /** @param pieces all pieces of all nodes, as `piecesOf` gives them */
  constructor(pieces: readonly Piece[], self: Holder) {
    this.#pieces = pieces;
    this.#self = self;
    this.#own = pieces.flatMap(({ holders }, i) => holders[self.cluster] === self.stage ? [i] : []);
    for (const piece of this.#own) this.#waiting.set(piece, "nothing");
  }

  /** Indices of the pieces that this node holds. */
  get own(): readonly number[] {
    return this.#own;
  }

  /** Whether this node holds a piece. */
  holds(piece: number): boolean {
    return this.#waiting.has(piece);
  }

  /** The round that was begun last; −1 before the first. */
  get round(): number {
    return this.#round;
  }

  /** True when this node has the complete sum of every piece of the last round. */
  get finished(): boolean {
    return this.#left === 0;
  }

  /** Begins the next round: this node's own share lies ready. */
  contribute(): ReduceAction[] {
    if (!this.finished) throw new Error(`round ${this.#round} is under way`);
    this.#round++;
    this.#left = this.#own.length;
    const early = this.#early;
    this.#early = new Set();
    return this.#own.flatMap((piece) => {
      const { holders } = this.#pieces[piece]!;
      const position = this.#position(piece);
      this.#waiting.set(piece, position === 0 ? "gather" : "reduce");
      if (holders.length === 1) return this.#done(piece, []);
      if (position === 0) return [this.#send("reduce", piece)];
      return early.has(piece) ? this.#added(piece) : [];
    });
  }

  /**
   * A piece arrived: a `reduce` beside this node's own, a `gather` in its place.
   *
   * @throws {Error} where it is out of order, doubled, or from a node that has no business here
   */
  arrived(kind: TransferKind, piece: number, round: number, from: Holder): ReduceAction[] {
    const waiting = this.#waiting.get(piece);
    const before = this.#neighbour(-1);
    const isSender = from.cluster === before &&
      from.stage === this.#pieces[piece]?.holders[before];
    if (waiting === undefined || !isSender) {
      throw new Error(`stage ${from.stage} of cluster ${from.cluster} has no piece ${piece} here`);
    }
    if (kind === "reduce" && round === this.#round + 1 && this.#position(piece) > 0) {
      if (!this.#early.has(piece) && waiting !== "reduce") {
        this.#early.add(piece);
        return [];
      }
    } else if (kind === waiting && round === this.#round) {
      return kind === "reduce" ? this.#added(piece) : this.#gathered(piece);
    }
    throw new Error(
      `${kind} of piece ${piece} came in round ${round}, expected ${waiting} in ${this.#round}`,
    );
  }

  /** The nodes whose pieces this one waits for. */
  get awaited(): Holder[] {
    if (this.finished) return [];
    const cluster = this.#neighbour(-1);
    const pieces = this.#own.filter((piece) => this.#waiting.get(piece) !== "nothing");
    const stages = new Set(pieces.map((piece) => this.#pieces[piece]!.holders[cluster]!));
    return [...stages].sort((a, b) => a - b).map((stage) => ({ cluster, stage }));
  }

  /** Clusters that a piece has gone through before it reaches this one for the first time. */
  #position(piece: number): number {
    const { first, holders } = this.#pieces[piece]!;
    return (this.#self.cluster - first + holders.length) % holders.length;
  }

  #neighbour(step: 1 | -1): number {
    const count = this.#pieces[0]!.holders.length;
    return (this.#self.cluster + step + count) % count;
  }

  #send(kind: TransferKind, piece: number): ReduceAction {
    return { type: "send", kind, piece, to: this.#pieces[piece]!.holders[this.#neighbour(1)]! };
  }

  #added(piece: number): ReduceAction[] {
    const isComplete = this.#position(piece) === this.#pieces[piece]!.holders.length - 1;
    const add = { type: "add", piece } as const;
    if (isComplete) return this.#done(piece, [add, this.#send("gather", piece)]);
    this.#waiting.set(piece, "gather");
    return [add, this.#send("reduce", piece)];
  }

  #gathered(piece: number): ReduceAction[] {
    const isLast = this.#position(piece) === this.#pieces[piece]!.holders.length - 2;
    return this.#done(piece, isLast ? [] : [this.#send("gather", piece)]);
  }

  #done(piece: number, actions: ReduceAction[]): ReduceAction[] {
    this.#waiting.set(piece, "nothing");
    this.#left--;
    return actions;
  }
}
