import { fastestChain, shortestChain } from "./pipeline_chain.ts";
import type { Chain, ChainSearch } from "./pipeline_chain.ts";
import type { PipelineCosts } from "./pipeline_costs.ts";
import { ALL_ORDERS_MAX, OrderSearch } from "./pipeline_order.ts";

/** How far the search of an order goes. */
export interface SearchEffort {
  /** Gains below this share are not looked for. */
  readonly tolerance: number;
  /** Orders that are tried near the best known one. */
  readonly probes: number;
  /** Whether all orders of a few nodes are searched. */
  readonly isExact: boolean;
  /** Whether further orders are tried at all where the first one fits. */
  readonly isContent: boolean;
}

/** For what is decided once. */
export const THOROUGH: SearchEffort = {
  tolerance: 0.001,
  probes: 2000,
  isExact: true,
  isContent: false,
};
/** For one of thousands of candidates. */
export const QUICK: SearchEffort = {
  tolerance: 0.02,
  probes: 0,
  isExact: false,
  isContent: true,
};

/** Each node behind the one that reaches it fastest, from `first` on. */
function nearestNext(costs: PipelineCosts, first: number): number[] {
  const order = [first];
  const left = new Set(costs.nodes.keys());
  left.delete(first);
  while (left.size > 0) {
    let best = -1;
    for (const node of left) {
      if (best < 0 || costs.linkTime(order.at(-1)!, node) < costs.linkTime(order.at(-1)!, best)) {
        best = node;
      }
    }
    order.push(best);
    left.delete(best);
  }
  return order;
}

/** Orders from which a search begins: by id, memory (early stages keep most), speed, and link. */
function startingOrders(costs: PipelineCosts): number[][] {
  const { nodes, speeds } = costs;
  const ids = [...nodes.keys()];
  const by = (of: (node: number) => number) => ids.toSorted((a, b) => of(a) - of(b) || a - b);
  const all = [
    ids,
    by((node) => -nodes[node]!.ram_gb),
    by((node) => nodes[node]!.ram_gb),
    by((node) => -speeds[node]!),
    by((node) => speeds[node]!),
    nearestNext(costs, 0),
  ];
  const known = new Set<string>();
  return all.filter((order) => {
    // Orders that differ by nodes that are alike are one.
    const text = order.map((node) => costs.kind(node)).join();
    return !known.has(text) && known.add(text);
  });
}

/** Orders one step away: a node moved to another place, or two exchanged. */
function* nearbyOrders(costs: PipelineCosts, order: readonly number[]): Generator<number[]> {
  for (let i = 0; i < order.length; i++) {
    for (let j = i + 1; j < order.length; j++) {
      if (costs.kind(order[i]!) === costs.kind(order[j]!)) continue;
      yield order.with(i, order[j]!).with(j, order[i]!);
    }
  }
  for (let i = 0; i < order.length; i++) {
    for (let j = 0; j < order.length; j++) {
      // a node's neighbour is reached by an exchange
      if (Math.abs(i - j) > 1) yield order.toSpliced(i, 1).toSpliced(j, 0, order[i]!);
    }
  }
}

function fastestIn(
  costs: PipelineCosts,
  order: readonly number[],
  search: ChainSearch,
): Chain | undefined {
  return fastestChain(costs, (cap) => shortestChain(costs, order, cap), search);
}

/** Goes to the first better order nearby until none is, or the probes are used up. */
function improve(costs: PipelineCosts, start: Chain, { tolerance, probes }: SearchEffort): Chain {
  let best = start;
  let left = probes;
  for (let improved = true; improved;) {
    improved = false;
    for (const order of nearbyOrders(costs, best.order)) {
      if (left-- <= 0) return best;
      const chain = fastestIn(costs, order, { tolerance, known: best });
      if (chain === undefined) continue;
      best = chain;
      improved = true;
      break;
    }
  }
  return best;
}

/**
 * The order of a cluster's nodes and the cut of the model for the fastest batch: of a few nodes all
 * orders are searched, of more those near a good one. The cut is exact for each order.
 *
 * @returns undefined where nothing fits that was tried
 */
export function searchPipeline(costs: PipelineCosts, effort: SearchEffort): Chain | undefined {
  const { tolerance, isContent } = effort;
  let best: Chain | undefined;
  for (const order of startingOrders(costs)) {
    best = fastestIn(costs, order, { tolerance, known: best, isQuick: isContent }) ?? best;
    if (isContent && best !== undefined) return best;
  }
  if (effort.isExact && costs.stages > 1 && costs.stages <= ALL_ORDERS_MAX) {
    const search = new OrderSearch(costs);
    return fastestChain(costs, (cap) => search.shortest(cap), { known: best, tolerance }) ?? best;
  }
  return best === undefined ? undefined : improve(costs, best, effort);
}

/** The cut of the fastest batch for a given order. @returns undefined where nothing fits */
export function cutPipeline(
  costs: PipelineCosts,
  order: readonly number[],
  search: ChainSearch,
): Chain | undefined {
  return fastestIn(costs, order, search) ?? search.known;
}
