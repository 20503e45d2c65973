import { minMaxCost, minSumPartition } from "./contiguous.ts";
import type { Partition, PartitionProblem } from "./contiguous.ts";
import type { StageCosts } from "./stage_costs.ts";

/** Stages as ranges of a table's positions: `borders[s]` to `borders[s + 1]` is stage s. */
export interface Cut {
  readonly borders: readonly number[];
  /** What was minimised: ms of the slowest stage, or the most trainable parameters of a stage. */
  readonly bottleneck: number;
}

/** Positions up to which a table is searched without a bound from a coarser one. */
const COARSE_POSITIONS = 48;
/** Sums in different orders differ in their last bits; such costs count as equal. */
const ROUNDING = 1 + 1e-9;

/** A bound on the min-max cost from a problem with few of the positions. */
function coarseBound(problem: PartitionProblem): number {
  const { positions } = problem;
  if (positions <= 2 * COARSE_POSITIONS) return Infinity;
  const step = (positions - 1) / COARSE_POSITIONS;
  const chosen = Array.from({ length: COARSE_POSITIONS + 1 }, (_, i) => Math.round(i * step));
  return minMaxCost({
    stages: problem.stages,
    positions: chosen.length,
    cost: (stage, from, to) => problem.cost(stage, chosen[from]!, chosen[to]!),
    ...(problem.floor === undefined ? {} : {
      floor: (stage, from, to) => problem.floor!(stage, chosen[from]!, chosen[to]!),
    }),
  });
}

/**
 * The exact min-max cut; among equals the one with the least traffic, then the evenest (least sum
 * of squares), then the earliest.
 *
 * Ties are resolved in a second pass over the cuts whose every stage costs at most the minimum.
 * (One pass that compares maximum and traffic together would not be exact: a prefix with a larger
 * maximum may belong to the best whole.)
 */
function minMaxCut(costs: StageCosts, problem: PartitionProblem): Cut | undefined {
  const bottleneck = minMaxCost(problem, coarseBound(problem) * ROUNDING);
  if (bottleneck === Infinity) return undefined;
  const limit = bottleneck * ROUNDING;
  const partition = minSumPartition({
    stages: problem.stages,
    positions: problem.positions,
    cost: (stage, from, to) =>
      problem.cost(stage, from, to) > limit ? Infinity : costs.traffic(from, to),
    floor: (stage, from, to) => (problem.floor?.(stage, from, to) ?? 0) > limit ? Infinity : 0,
  }, [
    (stage, from, to) => problem.cost(stage, from, to) ** 2,
  ]);
  return partition === undefined ? undefined : { borders: partition.borders, bottleneck };
}

function timeProblem(costs: StageCosts): PartitionProblem {
  return {
    stages: costs.stages,
    positions: costs.table.positions.length,
    cost: (stage, from, to) => costs.time(stage, from, to),
    floor: (stage, from, to) => costs.computeTime(stage, from, to),
  };
}

/**
 * Cuts so that the slowest stage is as fast as possible: `min over cuts of max over stages of
 * (forward + backward) / speed + traffic`, with memory as a hard cap.
 *
 * @returns undefined where no cut fits
 */
export function cutByTime(costs: StageCosts): Cut | undefined {
  return minMaxCut(costs, timeProblem(costs));
}

/** The time of the slowest stage that `cutByTime` finds, ms; Infinity where no cut fits. */
export function bottleneckTime(costs: StageCosts): number {
  return minMaxCost(timeProblem(costs));
}

/**
 * Cuts so that the stage with the most trainable parameters has as few as possible, with memory as
 * a hard cap.
 *
 * @returns undefined where no cut fits
 */
export function cutByParameters(costs: StageCosts): Cut | undefined {
  const { table } = costs;
  return minMaxCut(costs, {
    stages: costs.stages,
    positions: table.positions.length,
    cost: (stage, from, to) =>
      costs.overflow(stage, from, to) > 0 ? Infinity : table.elements(from, to),
    floor: (_, from, to) => table.elements(from, to),
  });
}

/**
 * The cut that lacks the least memory, where none fits; its cost is the bytes lacking in all.
 *
 * @returns undefined where the model cannot be cut into so many stages
 */
export function cutByMemory(costs: StageCosts): Partition | undefined {
  return minSumPartition({
    stages: costs.stages,
    positions: costs.table.positions.length,
    cost: (stage, from, to) => costs.overflow(stage, from, to),
  });
}
