import { outstanding } from "../pipeline/mod.ts";
import type { StagePosition } from "../pipeline/mod.ts";

/** Copies of its buffers that a stage needs for a schedule. */
export function copiesNeeded(position: StagePosition, microBatches: number): {
  /** Of what it keeps from forward to backward. */
  readonly outstanding: number;
  /** Of what arrives: as many as the root lets under way. */
  readonly inFlight: number;
  /** Of its weights: one a micro-batch under way, the next, and one being validated. */
  readonly versions: number;
} {
  const kept = outstanding(position, microBatches);
  const inFlight = outstanding({ ...position, stage: 0 }, microBatches);
  return { outstanding: kept, inFlight, versions: position.schedule === "async" ? kept + 2 : 3 };
}
