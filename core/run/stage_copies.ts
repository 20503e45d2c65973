import { deferred, outstanding, splitsBackward } from "../pipeline/mod.ts";
import type { StagePosition } from "../pipeline/mod.ts";
import type { SlotCounts } from "../training/mod.ts";

/** Copies of its buffers that a stage needs for a schedule. */
export function copiesNeeded(position: StagePosition, microBatches: number): {
  /** Of what it keeps from forward to backward. */
  readonly outstanding: number;
  /** Of what arrives: as many as the root lets under way. */
  readonly inFlight: number;
  /** Of its weights: one a micro-batch under way, the next, and one being validated. */
  readonly versions: number;
  readonly deferred: SlotCounts["deferred"];
} {
  const kept = outstanding(position, microBatches);
  const inFlight = outstanding({ ...position, stage: 0 }, microBatches);
  return {
    outstanding: kept,
    inFlight,
    versions: position.schedule === "async" ? kept + 2 : 3,
    deferred: deferredCopies(position, microBatches),
  };
}

/**
 * Copies of what the gradients of the weights read, where they are put off.
 *
 * With W micro-batches outstanding, d put off and F in flight: before forward m come backward m − W
 * and the weights of m − W − d, and no two batches overlap. When micro-batch m arrives the root has
 * seen backward m − F, which this stage ran after the weights of m − F − d − 1 at the latest.
 */
function deferredCopies(position: StagePosition, microBatches: number): SlotCounts["deferred"] {
  if (!splitsBackward(position)) return undefined;
  const late = deferred(position, microBatches);
  const kept = Math.min(microBatches, outstanding(position, microBatches) + late);
  const inFlight = outstanding({ ...position, stage: 0 }, microBatches);
  // The root reads its data itself, when it begins a micro-batch.
  const arrived = position.stage === 0 ? kept : inFlight + late + 1;
  return { arrived, stashed: kept, left: late + 1 };
}
