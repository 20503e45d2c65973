import { readAddress } from "../address.ts";
import { hostNames } from "./cluster_work.ts";
import type { PlanStage } from "./plan_schema.ts";
import type { StageWork } from "./predict.ts";

/** With how many threads stages were timed, and how many they will have. */
export interface StageThreads {
  /** Of the process that timed the operators. */
  readonly timed: number;
  /**
   * Of a stage.
   *
   * @param share its part of the work of all stages on its host, more than 0 to 1
   * @param cores of its host; unknown: undefined
   */
  of(share: number, cores: number | undefined): number;
}

/** What counts of a stage. */
type Stage = Pick<PlanStage, "node" | "address" | "predicted">;

/**
 * What part of the predicted work of all stages on its host each stage has: more than 0 to 1, by
 * node. Every cluster is taken to be as fast as its slowest stage lets it be.
 */
export function hostShares(
  clusters: readonly { readonly stages: readonly Stage[] }[],
): ReadonlyMap<number, number> {
  const stages = clusters.flatMap(({ stages }) =>
    stages.map((stage) => ({
      node: stage.node,
      address: readAddress(stage.address),
      load: stageLoad(stage, stages),
    }))
  );
  const hosts = hostNames(stages);
  const loads = new Map<string, number>();
  stages.forEach(({ load }, i) => loads.set(hosts[i]!, load + (loads.get(hosts[i]!) ?? 0)));
  return new Map(stages.map(({ node, load }, i) => {
    return [node, Number((load / loads.get(hosts[i]!)!).toPrecision(3))];
  }));
}

/** Predicted time of a stage over that of the slowest of its cluster; 1 where nothing is known. */
function stageLoad(stage: Stage, stages: readonly Stage[]): number {
  const time = ({ predicted: { forward_ms, backward_ms, update_ms } }: Stage) =>
    forward_ms + backward_ms + update_ms;
  const load = time(stage) / Math.max(...stages.map(time));
  return load > 0 ? load : 1;
}

/**
 * The work of a stage with another number of threads than it was timed with. A step that took T on
 * t threads and takes r T on one has a part p = T (r − 1) / (1 − 1/t) that threads share, so that n
 * take r T − p + p / n (Amdahl's law). Processor time lies on a line between that of one thread,
 * which keeps one core busy, and that of t.
 *
 * @param one_thread r; where it is not known, processor time is taken to be the same as with t
 */
export function withThreads(
  work: StageWork,
  { timed, threads, one_thread }: {
    readonly timed: number;
    readonly threads: number;
    readonly one_thread?: number | undefined;
  },
): StageWork {
  if (threads === timed || timed === 1) return work;
  const { cores_used } = work;
  const single = one_thread ?? Math.min(timed, Math.max(1, cores_used));
  const shared = Math.min(single, (single - 1) / (1 - 1 / timed));
  const factor = single - shared + shared / threads;
  const core = single + (Math.max(cores_used, 1) - single) * (threads - 1) / (timed - 1);
  return {
    ...work,
    forward_ms: work.forward_ms * factor,
    backward_ms: work.backward_ms * factor,
    weights_ms: work.weights_ms * factor,
    cores_used: core / factor,
  };
}
