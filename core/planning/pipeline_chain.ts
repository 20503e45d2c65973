import type { PipelineCosts } from "./pipeline_costs.ts";

/** Nodes in the order of the pipeline, the cut, and how fast it is. */
export interface Chain {
  /** Places in `PipelineCosts.nodes`. */
  readonly order: readonly number[];
  /** Positions of the table: `borders[s]` to `borders[s + 1]` is stage s. */
  readonly borders: readonly number[];
  /**
   * What a micro-batch takes in the full pipeline, ms: the longest of its stages' times, and of the
   * ways from a stage to the last and back over the micro-batches under way behind it.
   */
  readonly pace_ms: number;
  /** The way of a micro-batch through all stages and back, ms. */
  readonly trip_ms: number;
}

/** Sums in different orders differ in their last bits; such ways count as equal. */
export const ROUNDING = 1e-9;

/** Whether the node after each stage of an order lies behind a network: 1 or 0. */
function nextRemotes(costs: PipelineCosts, order: readonly number[]): Uint8Array {
  return Uint8Array.from(
    order,
    (node, s) => s + 1 < order.length ? costs.remote(node, order[s + 1]!) : 0,
  );
}

/** A chain, judged by its definition. Its pace is infinite where a stage does not fit. */
export function judgeChain(
  costs: PipelineCosts,
  order: readonly number[],
  borders: readonly number[],
): Chain {
  const remotes = nextRemotes(costs, order);
  let pace_ms = 0;
  let trip_ms = 0;
  for (let s = order.length - 1; s >= 0; s--) {
    const cost = costs.cost(
      s,
      order[s]!,
      s > 0 ? order[s - 1]! : -1,
      remotes[s]!,
      borders[s]!,
      borders[s + 1]!,
    );
    trip_ms += costs.trip_ms;
    pace_ms = Math.max(pace_ms, cost, trip_ms / costs.window(s));
  }
  return { order, borders, pace_ms, trip_ms };
}

/** First and last positions at which each stage can begin, where each takes at most `cap`. */
function bands(costs: PipelineCosts, order: readonly number[], cap: number) {
  const stages = order.length, end = costs.positions - 1;
  const last = new Int32Array(stages + 1), first = new Int32Array(stages + 1);
  last[stages] = end;
  for (let s = 0, at = 0; s < stages; s++) {
    last[s] = Math.min(at, end - stages + s);
    while (at < end && costs.computeTime(order[s]!, last[s]!, at + 1) <= cap) at++;
  }
  first[stages] = end;
  for (let s = stages - 1, at = end; s >= 0; s--) {
    while (at > 0 && costs.computeTime(order[s]!, at - 1, first[s + 1]!) <= cap) at--;
    first[s] = Math.max(at, s);
  }
  return { first, last };
}

/**
 * The cut of least way, of those whose pace is at most `cap`, by dynamic programming over the
 * suffixes of the pipeline: `r(s, i) = min over j of trip(s, i, j) + r(s + 1, j)`, where a stage's
 * cost is at most `cap` and r at most `cap` times the stage's window. A shorter way is never worse
 * for what comes before, so the recursion is exact.
 *
 * @returns undefined where there is none
 */
export function shortestChain(
  costs: PipelineCosts,
  order: readonly number[],
  cap: number,
): Chain | undefined {
  const stages = order.length, { positions } = costs;
  const { first, last } = bands(costs, order, cap);
  if (first[0]! > 0) return undefined;
  const remotes = nextRemotes(costs, order);
  const best = new Float64Array((stages + 1) * positions).fill(Infinity);
  // Σ cost², by which the most even of equally good cuts is taken.
  const squares = new Float64Array((stages + 1) * positions);
  const next = new Int32Array(stages * positions);
  best[stages * positions + positions - 1] = 0;
  for (let s = stages - 1; s >= 0; s--) {
    const node = order[s]!, previous = s > 0 ? order[s - 1]! : -1;
    const limit = cap * costs.window(s);
    const rest = (s + 1) * positions, own = s * positions;
    for (let from = first[s]!; from <= last[s]!; from++) {
      for (let to = Math.max(from + 1, first[s + 1]!); to <= last[s + 1]!; to++) {
        if (best[rest + to] === Infinity) continue;
        if (costs.computeTime(node, from, to) > cap) break;
        const cost = costs.cost(s, node, previous, remotes[s]!, from, to);
        if (cost > cap || cost === Infinity) continue;
        const trip = costs.trip_ms + best[rest + to]!, square = cost * cost + squares[rest + to]!;
        const gain = best[own + from]! - trip;
        if (trip > limit || gain < -ROUNDING * trip) continue;
        if (gain <= ROUNDING * trip && square >= squares[own + from]!) continue;
        best[own + from] = trip;
        squares[own + from] = square;
        next[own + from] = to;
      }
    }
  }
  if (best[0] === Infinity) return undefined;
  const borders = [0];
  for (let s = 0; s < stages; s++) borders.push(next[s * positions + borders[s]!]!);
  return judgeChain(costs, order, borders);
}

/** Finds a chain whose pace is at most `cap` with the least way, or none. */
export type ChainFinder = (cap: number) => Chain | undefined;

/** The time of a batch on a chain, ms. */
export function stepTime({ terms }: PipelineCosts, { pace_ms, trip_ms }: Chain): number {
  const { schedule, micro_batches } = terms;
  if (schedule === "async") return micro_batches * pace_ms;
  return trip_ms + (micro_batches - 1) * pace_ms;
}

/** Bound on the rounds in which a synchronous schedule's cap comes down. */
const ROUNDS_MAX = 30;
/** A pace that mostly can be kept, over that of perfectly even stages without traffic. */
const GUESS = 1.5;
/** How often the guess is doubled before any pace will do. */
const DOUBLINGS = 6;
/** Positions, and ranges, up to which nothing is given up. */
const FEW_POSITIONS = 128;
const RANGES_MAX = 1e7;

/** Lower bounds, ms. */
interface Ideal {
  /** The pace of even stages: all computing over all speeds. */
  readonly pace_ms: number;
  /** The way of a micro-batch: all computing over the best speed. */
  readonly trip_ms: number;
}

function idealOf({ table, positions, speeds }: PipelineCosts): Ideal {
  const work_ms = table.forward(0, positions - 1) + table.backward(0, positions - 1);
  const speed = speeds.reduce((sum, one) => sum + one, 0);
  return { pace_ms: work_ms / speed, trip_ms: work_ms / Math.max(...speeds) };
}

/**
 * A chain whose batch takes at most `step_ms`, or none. With a synchronous schedule the batch takes
 * way + (m − 1) pace: every chain that is fast enough has at least the least way r, and so a pace
 * of at most (step − r) / (m − 1); the least way under that cap bounds the pace anew, and so on.
 */
function fastEnough(
  costs: PipelineCosts,
  find: ChainFinder,
  step_ms: number,
  ideal: Ideal,
): Chain | undefined {
  const { schedule, micro_batches } = costs.terms;
  if (schedule === "async") return find(step_ms / micro_batches);
  let way_ms = ideal.trip_ms;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const cap = (step_ms - way_ms) / (micro_batches - 1);
    const chain = cap >= ideal.pace_ms ? find(cap) : undefined;
    if (chain === undefined || stepTime(costs, chain) <= step_ms) return chain;
    way_ms = Math.max(chain.trip_ms, way_ms * (1 + ROUNDING));
  }
  return undefined;
}

/** Some chain: low paces are tried first, since few ranges keep them. */
function someChain(
  find: ChainFinder,
  ideal: Ideal,
  positions: number,
  isQuick: boolean,
): Chain | undefined {
  // At p times the ideal pace about p · positions² ranges are looked at.
  const isLong = isQuick && positions > FEW_POSITIONS;
  const most = isLong ? RANGES_MAX / positions ** 2 : Infinity;
  let cap = GUESS * ideal.pace_ms;
  for (let doubling = 0; doubling < DOUBLINGS; doubling++, cap *= 2) {
    if (cap > most * ideal.pace_ms) return undefined;
    const chain = find(cap);
    if (chain !== undefined) return chain;
  }
  return isLong ? undefined : find(Infinity);
}

/** What `fastestChain` may know beforehand, and how exact it must be. */
export interface ChainSearch {
  /** A chain to be beaten. */
  readonly known?: Chain | undefined;
  /** Gains below this share are not looked for. */
  readonly tolerance: number;
  /** Whether long pipelines that are far from even may be given up. */
  readonly isQuick?: boolean;
}

/**
 * The chain with the fastest batch that a finder can find, to the tolerance: first a little faster
 * than what is known, which mostly fails, then by halving.
 *
 * @returns undefined where nothing fits, or nothing beats what is known
 */
export function fastestChain(
  costs: PipelineCosts,
  find: ChainFinder,
  { known, tolerance, isQuick = false }: ChainSearch,
): Chain | undefined {
  const { micro_batches, schedule } = costs.terms;
  const ideal = idealOf(costs);
  if (schedule !== "async" && micro_batches === 1) {
    // Nothing overlaps: the shortest way is the fastest.
    const shortest = find(Infinity);
    if (shortest === undefined || known === undefined) return shortest;
    const isBetter = stepTime(costs, shortest) < stepTime(costs, known) * (1 - tolerance);
    return isBetter ? shortest : undefined;
  }
  let found = known === undefined ? someChain(find, ideal, costs.positions, isQuick) : undefined;
  let best_ms = stepTime(costs, known ?? found ?? NOTHING);
  let low = micro_batches * ideal.pace_ms;
  let target = known === undefined ? (low + best_ms) / 2 : best_ms * (1 - tolerance);
  while (best_ms < Infinity && best_ms * (1 - tolerance) > low * (1 + ROUNDING)) {
    const chain = fastEnough(costs, find, target, ideal);
    if (chain !== undefined && stepTime(costs, chain) < best_ms) {
      found = chain;
      best_ms = stepTime(costs, chain);
    } else {
      if (found === undefined) return undefined;
      low = target;
    }
    target = (low + best_ms) / 2;
  }
  return found;
}

const NOTHING: Chain = { order: [], borders: [], pace_ms: Infinity, trip_ms: Infinity };
