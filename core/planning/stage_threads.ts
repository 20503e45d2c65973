import type { PlanStage } from "./plan_schema.ts";
import type { StageWork } from "./predict.ts";

/** With how many threads stages were timed, and how many they will have. */
export interface StageThreads {
  /** Of the process that timed the operators. */
  readonly timed: number;
  /**
   * Of a stage.
   *
   * @param here stages on its host
   * @param load its time over that of the slowest stage, more than 0 to 1
   * @param cores of its host; unknown: undefined
   */
  of(here: number, load: number, cores: number | undefined): number;
}

/** Predicted time of a stage over that of the slowest of its cluster; 1 where nothing is known. */
export function stageLoad(stage: PlanStage, stages: readonly PlanStage[]): number {
  const time = ({ predicted: { forward_ms, backward_ms, update_ms } }: PlanStage) =>
    forward_ms + backward_ms + update_ms;
  const load = time(stage) / Math.max(...stages.map(time));
  return load > 0 ? Number(load.toPrecision(3)) : 1;
}

/**
 * The work of a stage with another number of threads than it was timed with, by Amdahl's law: of a
 * time T on t threads that keeps u cores busy, p = T (u − 1) / (t − 1) is shared by the threads and
 * the rest is not, so that n threads take T − p + p t / n. Processor time stays the same.
 */
export function withThreads(work: StageWork, timed: number, threads: number): StageWork {
  if (threads === timed || timed === 1) return work;
  const { cores_used } = work;
  const shared = Math.min(1, Math.max(0, (cores_used - 1) / (timed - 1)));
  const factor = 1 - shared + (shared * timed) / threads;
  return {
    ...work,
    forward_ms: work.forward_ms * factor,
    backward_ms: work.backward_ms * factor,
    weights_ms: work.weights_ms * factor,
    cores_used: cores_used / factor,
  };
}
