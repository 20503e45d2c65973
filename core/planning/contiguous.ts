/**
 * Exact partitions of a sequence into contiguous stages by dynamic programming. Nothing here knows
 * of networks: a stage is a range of positions, with a cost.
 */

/** Ranges of positions 0 to `positions - 1`, to be chained into stages. */
export interface PartitionProblem {
  readonly stages: number;
  /** Positions at which a stage may begin or end, both ends included. */
  readonly positions: number;
  /** Cost of a stage over the range [from, to); Infinity where it is not allowed. */
  cost(stage: number, from: number, to: number): number;
  /** A lower bound of the cost that does not fall as `to` grows, to end searches early. */
  floor?(stage: number, from: number, to: number): number;
}

/** A chain of ranges: `borders[s]` to `borders[s + 1]` is stage s. */
export interface Partition {
  readonly borders: readonly number[];
  readonly cost: number;
}

/** The best cost from each first position of each stage to the end; only the end is known yet. */
function suffixCosts({ stages, positions }: PartitionProblem): Float64Array[] {
  const best = Array.from({ length: stages + 1 }, () => new Float64Array(positions).fill(Infinity));
  best[stages]![positions - 1] = 0;
  return best;
}

/** Positions where stage s may end: every later stage needs one position at least. */
function lastEnd(problem: PartitionProblem, stage: number): number {
  return problem.positions - problem.stages + stage;
}

/** First end of a stage from `from`: the last stage ends at the end. */
function firstEnd(problem: PartitionProblem, stage: number, from: number): number {
  return stage === problem.stages - 1 ? problem.positions - 1 : from + 1;
}

/** First and last positions at which each stage, and the end, can stand. */
interface Reach {
  readonly first: Int32Array;
  readonly last: Int32Array;
}

/**
 * Where stages can begin if each is allowed only so much: as late as the stages before reach, and
 * as early as those behind can reach back to. What is allowed must not grow with a range.
 */
function reachOf(
  { stages, positions }: PartitionProblem,
  isAllowed: (stage: number, from: number, to: number) => boolean,
): Reach {
  const end = positions - 1;
  const first = new Int32Array(stages + 1).fill(end), last = new Int32Array(stages + 1).fill(end);
  for (let stage = 0, at = 0; stage < stages; stage++) {
    const from = last[stage] = Math.min(at, end - stages + stage);
    at = Math.max(at, from);
    while (at < end && isAllowed(stage, from, at + 1)) at++;
    if (stage === stages - 1) last[stages] = at;
  }
  for (let stage = stages - 1, at = end; stage >= 0; stage--) {
    const to = first[stage + 1]!;
    while (at > 0 && isAllowed(stage, at - 1, to)) at--;
    first[stage] = at = Math.max(at, stage);
  }
  return { first, last };
}

function follow(problem: PartitionProblem, next: readonly Int32Array[]): number[] {
  const borders = [0];
  for (let stage = 0; stage < problem.stages; stage++) {
    borders.push(next[stage]![borders[stage]!]!);
  }
  return borders;
}

/**
 * The cost of the costliest stage where each takes as much as it can for at most `cap`: quick, and
 * never less than what `minMaxCost` finds.
 *
 * @returns Infinity where the last stage does not reach the end so
 */
export function greedyCost(problem: PartitionProblem, cap: number): number {
  let most = 0;
  let from = 0;
  for (let stage = 0; stage < problem.stages; stage++) {
    let taken = -1, cost = 0;
    const end = lastEnd(problem, stage) + 1;
    for (let to = firstEnd(problem, stage, from); to < end; to++) {
      if ((problem.floor?.(stage, from, to) ?? 0) > cap) break;
      const own = problem.cost(stage, from, to);
      if (own <= cap) [taken, cost] = [to, own];
    }
    if (taken < 0) return Infinity;
    most = Math.max(most, cost);
    from = taken;
  }
  return most;
}

/**
 * The smallest possible cost of the costliest stage:
 * `f(s, i) = min over j of max(cost(s, i, j), f(s + 1, j))`.
 *
 * @param bound a cost known to be attainable; ranges above it are not looked at
 * @returns Infinity where no partition is allowed
 */
export function minMaxCost(problem: PartitionProblem, bound = Infinity): number {
  const { stages } = problem;
  const best = suffixCosts(problem);
  const { first, last } = reachOf(
    problem,
    (stage, from, to) => (problem.floor?.(stage, from, to) ?? 0) <= bound,
  );
  for (let stage = stages - 1; stage >= 0; stage--) {
    const own = best[stage]!, later = best[stage + 1]!;
    const end = Math.min(lastEnd(problem, stage), last[stage + 1]!);
    for (let from = last[stage]!; from >= first[stage]!; from--) {
      let least = Infinity;
      const begin = Math.max(firstEnd(problem, stage, from), first[stage + 1]!);
      for (let to = begin; to <= end; to++) {
        const rest = later[to]!;
        if (rest >= least) continue;
        const floor = problem.floor?.(stage, from, to) ?? 0;
        if (floor >= least || floor > bound) break;
        const cost = Math.max(problem.cost(stage, from, to), rest);
        if (cost < least) least = cost;
      }
      own[from] = least;
    }
  }
  return best[0]![0]!;
}

/** A measure of a stage over the range [from, to). */
export type Criterion = (stage: number, from: number, to: number) => number;

/**
 * The partition with the smallest sum of costs; among equals the one with the smallest sum of the
 * first criterion, then of the second and so on, then the one with the earliest borders: `g(s, i) =
 * min over j of c(s, i, j) + g(s + 1, j)`, compared as vectors. Sums of vectors keep their order,
 * so the recursion is exact.
 *
 * @returns undefined where no partition is allowed
 */
export function minSumPartition(
  problem: PartitionProblem,
  criteria: readonly Criterion[] = [],
): Partition | undefined {
  const { stages, positions } = problem;
  const measures: Criterion[] = [(s, from, to) => problem.cost(s, from, to), ...criteria];
  const best = measures.map(() => suffixCosts(problem));
  const next = Array.from({ length: stages }, () => new Int32Array(positions).fill(-1));
  const { first, last } = reachOf(
    problem,
    (stage, from, to) => problem.floor?.(stage, from, to) !== Infinity,
  );
  const sums = new Float64Array(measures.length);
  /** Whether a stage over [from, to) and the best rest, summed in `sums`, beat what is known. */
  const isBetter = (stage: number, from: number, to: number): boolean => {
    let better = false;
    for (let c = 0; c < measures.length; c++) {
      sums[c] = measures[c]!(stage, from, to) + best[c]![stage + 1]![to]!;
      const known = best[c]![stage]![from]!;
      if (!better && sums[c]! > known) return false;
      better ||= sums[c]! < known;
    }
    return better;
  };
  for (let stage = stages - 1; stage >= 0; stage--) {
    const end = Math.min(lastEnd(problem, stage), last[stage + 1]!);
    for (let from = last[stage]!; from >= first[stage]!; from--) {
      const begin = Math.max(firstEnd(problem, stage, from), first[stage + 1]!);
      for (let to = begin; to <= end; to++) {
        if (best[0]![stage + 1]![to] === Infinity) continue;
        const floor = problem.floor?.(stage, from, to) ?? 0;
        if (floor === Infinity || floor > best[0]![stage]![from]!) break;
        if (!isBetter(stage, from, to)) continue;
        next[stage]![from] = to;
        for (let c = 0; c < measures.length; c++) best[c]![stage]![from] = sums[c]!;
      }
    }
  }
  const cost = best[0]![0]![0]!;
  return cost === Infinity ? undefined : { borders: follow(problem, next), cost };
}
