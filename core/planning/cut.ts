import { greedyCost, minMaxCost, minSumPartition } from "./contiguous.ts";
import type { Partition, PartitionProblem } from "./contiguous.ts";
import type { StageCosts } from "./stage_costs.ts";

/** Stages as ranges of a table's positions: `borders[s]` to `borders[s + 1]` is stage s. */
export interface Cut {
  readonly borders: readonly number[];
  /** What was minimised: ms of the slowest stage, or the most trainable parameters of a stage. */
  readonly bottleneck: number;
}

/** Positions up to which a table is searched without a guess of the bottleneck. */
const FEW_POSITIONS = 96;
/** How often the ideal bottleneck is doubled until stages that take what they can come through. */
const DOUBLINGS = 10;
/** How often the range is halved in which a bottleneck is known. */
const HALVINGS = 8;
/** Sums in different orders differ in their last bits; such costs count as equal. */
const ROUNDING = 1 + 1e-9;

/** A partition problem, and the cost of perfectly even stages without traffic. */
interface CutProblem extends PartitionProblem {
  readonly ideal: number;
}

/** The min-max cost. Of many positions few ranges keep a low bound, so one is looked for first. */
function leastBottleneck(problem: CutProblem): number {
  if (problem.positions <= FEW_POSITIONS) return minMaxCost(problem);
  let low = problem.ideal;
  let known = Infinity;
  for (let doubling = 0; doubling < DOUBLINGS && known === Infinity; doubling++) {
    known = greedyCost(problem, 2 * low);
    if (known === Infinity) low *= 2;
  }
  for (let halving = 0; halving < HALVINGS && known < Infinity; halving++) {
    const middle = (low + known) / 2;
    const cost = greedyCost(problem, middle);
    if (cost === Infinity) low = middle;
    else known = cost;
  }
  return minMaxCost(problem, known * ROUNDING);
}

/**
 * The exact min-max cut; among equals the one with the least traffic, then the evenest (least sum
 * of squares), then the earliest.
 *
 * Ties are resolved in a second pass over the cuts whose every stage costs at most the minimum.
 * (One pass that compares maximum and traffic together would not be exact: a prefix with a larger
 * maximum may belong to the best whole.)
 */
function minMaxCut(costs: StageCosts, problem: CutProblem): Cut | undefined {
  const bottleneck = leastBottleneck(problem);
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

function timeProblem(costs: StageCosts): CutProblem {
  const { table, chain } = costs;
  const end = table.positions.length - 1;
  const speed = chain.nodes.reduce((sum, node) => sum + node.speed, 0);
  return {
    stages: costs.stages,
    positions: table.positions.length,
    ideal: (table.forward(0, end) + table.backward(0, end)) / speed,
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
  return leastBottleneck(timeProblem(costs));
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
    ideal: table.elements(0, table.positions.length - 1) / costs.stages,
    cost: (stage, from, to) =>
      costs.overflow(stage, from, to) > 0 ? Infinity : table.elements(from, to),
    floor: (_, from, to) => table.elements(from, to),
  });
}

/**
 * Bytes that are lacking where each stage but the last takes as much as fits: quick, and no less
 * than what `cutByMemory` finds.
 */
export function lackingBytes(costs: StageCosts): number {
  const end = costs.table.positions.length - 1;
  let from = 0;
  for (let stage = 0; stage < costs.stages - 1; stage++) {
    const last = end - costs.stages + stage + 1;
    let to = from + 1;
    while (to < last && costs.overflow(stage, from, to) === Infinity) to++;
    while (to < last && costs.overflow(stage, from, to + 1) === 0) to++;
    from = Math.min(to, last);
  }
  return Math.max(1, costs.overflow(costs.stages - 1, from, end));
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
