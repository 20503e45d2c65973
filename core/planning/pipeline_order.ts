import { judgeChain, ROUNDING } from "./pipeline_chain.ts";
import type { Chain } from "./pipeline_chain.ts";
import type { PipelineCosts } from "./pipeline_costs.ts";

/** Nodes up to which all orders are searched. */
export const ALL_ORDERS_MAX = 8;

/** Number of nodes in a set, which is a bit for each. */
function countOf(set: number): number {
  let count = 0;
  for (let rest = set; rest > 0; rest &= rest - 1) count++;
  return count;
}

/**
 * The best order and cut of a few nodes by dynamic programming over sets of nodes (Held and Karp
 * 1962): `r(S, p, q, i)` is the least way of a pipeline of the nodes S from position i on, behind
 * node p, where q says whether a network lies between p and the first of S. It is
 * `min over a in S, j, q' of trip(a, i, j) + r(S - a, a, q', j)`; nodes that are alike come in one
 * order. Like `shortestChain` it keeps every stage's cost and way below a cap.
 */
export class OrderSearch {
  readonly #costs: PipelineCosts;
  readonly #all: number;
  readonly #best: Float64Array;
  readonly #choice: Int32Array;
  /** Nodes before each that are alike, as a set. */
  readonly #before: readonly number[];
  /** Time of all operators before each position at speed 1, ms. */
  readonly #elapsed: Float64Array;

  constructor(costs: PipelineCosts) {
    this.#costs = costs;
    const { stages, positions } = costs;
    this.#all = 2 ** stages - 1;
    const states = (this.#all + 1) * (stages + 1) * 2 * positions;
    this.#best = new Float64Array(states);
    this.#choice = new Int32Array(states);
    this.#before = costs.nodes.map((_, node) => {
      let set = 0;
      for (let other = 0; other < node; other++) {
        if (costs.kind(other) === costs.kind(node)) set |= 1 << other;
      }
      return set;
    });
    this.#elapsed = Float64Array.from(
      { length: positions },
      (_, i) => costs.table.forward(0, i) + costs.table.backward(0, i),
    );
  }

  #at(set: number, previous: number, remote: number, from: number): number {
    const { stages, positions } = this.#costs;
    return ((set * (stages + 1) + previous) * 2 + remote) * positions + from;
  }

  /** The chain of least way of those whose pace is at most `cap`, in any order of the nodes. */
  shortest(cap: number): Chain | undefined {
    const { stages, positions } = this.#costs;
    this.#best.fill(Infinity);
    for (let previous = 0; previous < stages; previous++) {
      this.#best[this.#at(0, previous, 0, positions - 1)] = 0;
    }
    for (let set = 1; set <= this.#all; set++) {
      const { first, last } = this.#band(set, cap);
      if (first > last) continue;
      if (set === this.#all) {
        this.#extend(set, stages, cap, 0, 0);
        continue;
      }
      for (let previous = 0; previous < stages; previous++) {
        if ((set & (1 << previous)) === 0) this.#extend(set, previous, cap, first, last);
      }
    }
    return this.#follow();
  }

  /** Positions at which the nodes of a set can take over from the others. */
  #band(set: number, cap: number): { readonly first: number; readonly last: number } {
    const { stages, positions, speeds } = this.#costs;
    const count = countOf(set);
    let own = 0, others = 0;
    for (let node = 0; node < stages; node++) {
      if ((set & (1 << node)) !== 0) own += speeds[node]!;
      else others += speeds[node]!;
    }
    const total = this.#elapsed[positions - 1]!;
    const slack = 1 + ROUNDING;
    let first = stages - count, last = positions - 1 - count;
    while (first <= last && total - this.#elapsed[first]! > cap * own * slack) first++;
    while (last >= first && this.#elapsed[last]! > cap * others * slack) last--;
    return { first, last };
  }

  /** Fills in the states of a set behind `previous` (`stages` for none). */
  #extend(set: number, previous: number, cap: number, first: number, last: number): void {
    const costs = this.#costs;
    const { stages } = costs;
    const stage = stages - countOf(set);
    const isFirst = previous === stages;
    for (let node = 0; node < stages; node++) {
      if ((set & (1 << node)) === 0 || (set & this.#before[node]!) !== 0) continue;
      const remote = isFirst ? 0 : costs.remote(previous, node);
      const rest = set & ~(1 << node);
      for (let from = first; from <= last; from++) {
        const at = this.#at(set, previous, remote, from);
        for (let next = 0; next < 2; next++) {
          this.#place(
            { stage, node, previous: isFirst ? -1 : previous, rest, next },
            from,
            cap,
            at,
          );
        }
      }
    }
  }

  /** Tries a node with every range from `from`, before the nodes `rest`. */
  #place(
    o: {
      readonly stage: number;
      readonly node: number;
      readonly previous: number;
      readonly rest: number;
      readonly next: number;
    },
    from: number,
    cap: number,
    at: number,
  ): void {
    const costs = this.#costs;
    const { stage, node, previous, rest, next } = o;
    const limit = cap * costs.window(stage);
    const behind = this.#at(rest, node, next, 0);
    const end = costs.positions - 1;
    for (let to = rest === 0 ? end : from + 1; to <= end; to++) {
      if (costs.computeTime(node, from, to) > cap) break;
      const way = this.#best[behind + to]!;
      if (way >= this.#best[at]!) continue;
      const cost = costs.cost(stage, node, previous, next, from, to);
      if (cost > cap || cost === Infinity) continue;
      const trip = costs.trip_ms + way;
      if (trip > limit || trip >= this.#best[at]!) continue;
      this.#best[at] = trip;
      this.#choice[at] = (to * 2 + next) * costs.stages + node;
    }
  }

  #follow(): Chain | undefined {
    const costs = this.#costs;
    const { stages } = costs;
    if (this.#best[this.#at(this.#all, stages, 0, 0)] === Infinity) return undefined;
    const order: number[] = [];
    const borders = [0];
    for (let set = this.#all, previous = stages, remote = 0; set !== 0;) {
      const choice = this.#choice[this.#at(set, previous, remote, borders.at(-1)!)]!;
      const node = choice % stages;
      order.push(node);
      borders.push(Math.floor(choice / (2 * stages)));
      remote = Math.floor(choice / stages) % 2;
      previous = node;
      set &= ~(1 << node);
    }
    return judgeChain(costs, order, borders);
  }
}
