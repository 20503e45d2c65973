import { clusterWork, hostNames } from "./cluster_work.ts";
import type { NodeConfig } from "./node_configs.ts";
import type { Overheads } from "./overheads.ts";
import type { Plan, PlanCluster } from "./plan_schema.ts";
import { predict } from "./predict.ts";
import type { ClusterWork, LinkWork, Prediction, StageWork } from "./predict.ts";
import { hostShares, withThreads } from "./stage_threads.ts";
import type { StageThreads } from "./stage_threads.ts";

const MIB = 2 ** 20;

/** What the prediction of a plan needs besides the plan and its nodes. */
export interface PlanPredictionTerms {
  /** Batches whose gradients make one update. */
  readonly update_frequency: number;
  /** What training costs beyond its operators; nothing if absent. */
  readonly overheads?: Overheads | undefined;
  /** Threads of the stages; as many as the operators were timed with if absent. */
  readonly threads?: StageThreads;
  /** Whether clusters average their weights, and so wait for each other; true unless told. */
  readonly averages?: boolean;
  /** Share of its bytes in which what travels between stages is sent; 1 unless told. */
  readonly packed?: { readonly activations: number; readonly gradients: number };
  /** Factor on the cores of every machine; 1 unless told. */
  readonly cores?: number;
}

/** How fast a plan is expected to be. */
export interface PlanPrediction {
  /** Samples that all clusters together train on in a second. */
  readonly samples_per_s: number;
  readonly clusters: readonly Prediction[];
}

/**
 * Predicts every cluster of a plan. Clusters on one machine share its cores by their stages; where
 * they average, all go as fast as the slowest.
 */
export function predictPlan(
  plan: Plan,
  pool: readonly NodeConfig[],
  terms: PlanPredictionTerms,
): PlanPrediction {
  const { averages = true, cores: factor = 1 } = terms;
  const hosts = hostNames(pool);
  const stagesOn = (host: string, clusters: readonly PlanCluster[]) =>
    clusters.flatMap(({ nodes }) => nodes).filter((node) => hosts[node] === host).length;
  const shares = hostShares(plan.clusters);
  const clusters = plan.clusters.map((cluster, c) => {
    const work = packed(clusterWork(plan, c, pool, terms), terms);
    const cores = new Map(
      [...work.cores].map(([host, count]) => {
        const share = stagesOn(host, [cluster]) / stagesOn(host, plan.clusters);
        return [host, factor * count * share] as const;
      }).filter(([, count]) => count > 0),
    );
    const costed = terms.overheads === undefined
      ? work
      : withOverheads(work, cluster, pool, { ...terms, overheads: terms.overheads, shares });
    return predictWoken({ ...costed, cores }, terms.overheads?.wake_ms ?? 0);
  });
  const speeds = clusters.map(({ samples_per_s }) => samples_per_s);
  const samples_per_s = averages
    ? speeds.length * Math.min(...speeds)
    : speeds.reduce((sum, speed) => sum + speed, 0);
  return { samples_per_s, clusters };
}

/**
 * Predicts a cluster whose stages are woken where they wait: for the part of its runs that a stage
 * waits of its time.
 */
function predictWoken(cluster: ClusterWork, wake_ms: number): Prediction {
  const first = predict(cluster);
  const { stages } = cluster;
  if (stages.length === 1 || wake_ms === 0) return first;
  return predict({
    ...cluster,
    stages: stages.map((stage, s) => {
      const waits = Math.max(0, first.stages[s]!.waiting_ms) / first.step_ms;
      const woken_ms = waits * runsOf(s, stages.length) * wake_ms;
      return { ...stage, overhead_ms: stage.overhead_ms + woken_ms };
    }),
  });
}

/** The same with fewer bytes on the links, where what travels is compressed. */
function packed(work: ClusterWork, { packed: shares }: PlanPredictionTerms): ClusterWork {
  if (shares === undefined) return work;
  const { activations, gradients } = shares;
  return {
    ...work,
    links: work.links.map((link) => ({
      ...link,
      bytes: Math.round(link.bytes * (link.from < link.to ? activations : gradients)),
    })),
  };
}

/**
 * A cluster's work with what training costs beyond its operators: on each stage bookkeeping,
 * messages and the update, and between processes of one machine the measured way.
 */
function withOverheads(
  work: ClusterWork,
  { stages }: PlanCluster,
  pool: readonly NodeConfig[],
  { overheads, threads, shares }: PlanPredictionTerms & {
    readonly overheads: Overheads;
    readonly shares: ReadonlyMap<number, number>;
  },
): ClusterWork {
  const nodes = stages.map(({ node }) => pool[node]!);
  // On one machine they are started by a process that shows what the last stage tells.
  const isOneHost = new Set(work.stages.map(({ host }) => host)).size === 1;
  return {
    ...work,
    stages: work.stages.map((stage, s): StageWork => {
      const { speed } = nodes[s]!;
      const { cores_used, contention, one_thread, cut = 1 } = overheads;
      const count = threads?.of(shares.get(stages[s]!.node)!, work.cores.get(stage.host));
      const factor = stages.length > 1 ? cut : 1;
      const timed = {
        ...{ ...stage, cores_used, contention },
        forward_ms: factor * stage.forward_ms,
        backward_ms: factor * stage.backward_ms,
        weights_ms: factor * stage.weights_ms,
      };
      const costed = {
        ...(count === undefined
          ? timed
          : withThreads(timed, { timed: threads!.timed, threads: count, one_thread })),
        update_ms: overheads.update_million_ms * stages[s]!.parameter_count / 1e6 / speed,
        overhead_ms: overheadOf(s, work, overheads) / speed,
      };
      const isReported = isOneHost && s === stages.length - 1;
      const reports_ms = isReported ? overheads.report_ms / work.update_frequency / speed : 0;
      return { ...costed, cores_used: costed.cores_used + coresFor(reports_ms, costed, work) };
    }),
    links: work.links.map((link): LinkWork => {
      const [from, to] = [nodes[link.from]!, nodes[link.to]!];
      const isLocal = work.stages[link.from]!.host === work.stages[link.to]!.host;
      const isMeasured = from.links?.has(to.id) || to.links?.has(from.id);
      return isLocal && !isMeasured ? { ...link, ...overheads.local } : link;
    }),
  };
}

/** Cores that so much work in each step takes, of the time in which the stage is busy. */
function coresFor(
  ms: number,
  stage: StageWork,
  { micro_batches, update_frequency }: ClusterWork,
): number {
  const { forward_ms, backward_ms, overhead_ms, update_ms } = stage;
  const busy_ms = micro_batches * (forward_ms + backward_ms + overhead_ms) +
    update_ms / update_frequency;
  return busy_ms > 0 ? ms / busy_ms : 0;
}

/** What a micro-batch costs stage `s` besides its operators and its update, ms at speed 1. */
function overheadOf(s: number, { stages, links }: ClusterWork, overheads: Overheads): number {
  const { micro_batch_ms, message_ms, message_mib_ms } = overheads;
  const ends = links.filter(({ from, to }) => from === s || to === s);
  const mib = ends.reduce((sum, { bytes }) => sum + bytes / MIB, 0);
  const runs = runsOf(s, stages.length);
  return runs * micro_batch_ms + ends.length * message_ms + mib * message_mib_ms;
}

/** Runs of graphs in a micro-batch: the last stage runs forward and backward in one. */
function runsOf(stage: number, stages: number): number {
  return stage === stages - 1 ? 1 : 2;
}
