import type { Plan, PlanCluster, PlanStage } from "./plan_schema.ts";

/** A setting of two plans. */
export interface SettingChange {
  readonly key: string;
  readonly before: string | number;
  readonly after: string | number;
}

/** Operators that another node of a cluster runs. */
export interface MovedOperators {
  readonly cluster: number;
  /** Names of the nodes; absent where the cluster is in one of the plans only. */
  readonly from?: string;
  readonly to?: string;
  readonly operators: readonly string[];
}

/** A node in two plans: what it is, needs and takes; absent where a plan has no such node. */
export interface NodeChange {
  readonly node: string;
  readonly before?: NodePlace;
  readonly after?: NodePlace;
}

/** A node's part in a plan. */
export interface NodePlace {
  readonly cluster: number;
  readonly stage: number;
  readonly operators: number;
  readonly memory_bytes: number;
  /** Forward and backward of a micro-batch. */
  readonly computed_ms: number;
}

/** Predicted time of a step of a cluster in two plans. */
export interface ClusterChange {
  readonly cluster: number;
  readonly before_ms?: number;
  readonly after_ms?: number;
}

/** What differs between two plans; all lists are empty where nothing does. */
export interface PlanDiff {
  readonly settings: readonly SettingChange[];
  readonly clusters: readonly ClusterChange[];
  readonly nodes: readonly NodeChange[];
  readonly moved: readonly MovedOperators[];
}

const SETTINGS = [
  "batch_size",
  "micro_batches",
  "seed",
  "split",
  "schedule",
  "in_flight",
  "objective",
] as const;

/** Compares two plans, node by node (by name) and operator by operator. */
export function diffPlans(before: Plan, after: Plan): PlanDiff {
  const count = Math.max(before.clusters.length, after.clusters.length);
  const ids = Array.from({ length: count }, (_, id) => id);
  return {
    settings: settingsOf(before, after),
    clusters: ids.flatMap((cluster) => {
      const [one, other] = [before.clusters[cluster], after.clusters[cluster]];
      if (one?.predicted_step_ms === other?.predicted_step_ms) return [];
      return [{
        cluster,
        ...(one === undefined ? {} : { before_ms: one.predicted_step_ms }),
        ...(other === undefined ? {} : { after_ms: other.predicted_step_ms }),
      }];
    }),
    nodes: nodesOf(before, after),
    moved: ids.flatMap((id) => movedIn(id, before.clusters[id], after.clusters[id])),
  };
}

function settingsOf(before: Plan, after: Plan): SettingChange[] {
  const isSame = hashesOf(before).join() === hashesOf(after).join();
  const model = isSame ? [] : [{ key: "model", before: nameOf(before), after: nameOf(after) }];
  const changed = SETTINGS.flatMap((key): SettingChange[] =>
    before[key] === after[key] ? [] : [{ key, before: before[key], after: after[key] }]
  );
  return [...model, ...changed];
}

/** A model's file with the beginning of each hash: two models may have one name. */
function nameOf(plan: Plan): string {
  return `${plan.model.file} (${hashesOf(plan).map((hash) => hash.slice(0, 12)).join(", ")})`;
}

/** The hashes of a model and of its data files. */
function hashesOf({ model }: Plan): string[] {
  return [model.sha256, ...Object.values(model.external ?? {})];
}

function placesOf({ clusters }: Plan): Map<string, NodePlace> {
  return new Map(clusters.flatMap(({ id, stages }) =>
    stages.map((stage) => [stage.name, {
      cluster: id,
      stage: stage.stage,
      operators: stage.operators.length,
      memory_bytes: stage.memory.total,
      computed_ms: stage.predicted.forward_ms + stage.predicted.backward_ms,
    }])
  ));
}

function nodesOf(before: Plan, after: Plan): NodeChange[] {
  const [one, other] = [placesOf(before), placesOf(after)];
  return [...new Set([...one.keys(), ...other.keys()])].flatMap((node) => {
    const [was, is] = [one.get(node), other.get(node)];
    if (JSON.stringify(was) === JSON.stringify(is)) return [];
    return [{
      node,
      ...(was === undefined ? {} : { before: was }),
      ...(is === undefined ? {} : { after: is }),
    }];
  });
}

/** Operators of a cluster by the node that runs them in each plan, runs of equal ones together. */
function movedIn(
  cluster: number,
  before: PlanCluster | undefined,
  after: PlanCluster | undefined,
): MovedOperators[] {
  const [from, to] = [holders(before?.stages ?? []), holders(after?.stages ?? [])];
  const runs: (MovedOperators & { readonly operators: string[] })[] = [];
  let isRun = false;
  for (const operator of new Set([...from.keys(), ...to.keys()])) {
    const [was, is] = [from.get(operator), to.get(operator)];
    const last = runs.at(-1);
    if (was === is) {
      isRun = false;
    } else if (isRun && last !== undefined && last.from === was && last.to === is) {
      last.operators.push(operator);
    } else {
      isRun = true;
      runs.push({
        cluster,
        ...(was === undefined ? {} : { from: was }),
        ...(is === undefined ? {} : { to: is }),
        operators: [operator],
      });
    }
  }
  return runs;
}

function holders(stages: readonly PlanStage[]): Map<string, string> {
  return new Map(stages.flatMap(({ name, operators }) => operators.map((each) => [each, name])));
}
