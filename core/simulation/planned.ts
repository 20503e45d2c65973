import { RavnError } from "../error.ts";
import { clusterWork, layRings } from "../planning/mod.ts";
import type {
  ClusterWork,
  NodeConfig,
  Plan,
  PlanCluster,
  PlanNode,
  PlanStage,
} from "../planning/mod.ts";
import type { SimulatedCluster } from "./input.ts";

/** What a plan does not say of its training. */
export interface PlannedTerms {
  /** Batches whose gradients make one update. */
  readonly update_frequency: number;
  /** What comes to each micro-batch on a stage besides computing. */
  readonly overhead_ms: number;
  /** Of links between machines whose latency was not measured, one way. */
  readonly latency_ms: number;
}

/** With a latency where none is known. */
function withLatency(work: ClusterWork, latency_ms: number): ClusterWork {
  const links = work.links.map((link) => {
    const isLocal = work.stages[link.from]!.host === work.stages[link.to]!.host;
    return isLocal || link.latency_ms > 0 ? link : { ...link, latency_ms };
  });
  return { ...work, links };
}

/**
 * The clusters of a plan as the simulation needs them.
 *
 * @param nodes in the order of their ids
 */
export function clustersOf(
  plan: Plan,
  nodes: readonly NodeConfig[],
  { latency_ms, ...terms }: PlannedTerms,
): SimulatedCluster[] {
  return plan.clusters.map(({ stages }, cluster) => ({
    work: withLatency(clusterWork(plan, cluster, nodes, terms), latency_ms),
    addresses: stages.map(({ address }) => address),
    elements: stages.map(({ parameter_count }) => parameter_count),
  }));
}

/**
 * Makes sure that a plan was made for these nodes.
 *
 * @param file the nodes' file, for messages
 * @throws {RavnError} naming the first node that differs
 */
export function checkNodes(plan: Plan, nodes: readonly NodeConfig[], file: string): void {
  for (const { node, name, address } of plan.node_info) {
    const found = nodes[node];
    if (found?.name === name && found.address.text === address) continue;
    const what = found === undefined ? "nothing" : `"${found.name}" at ${found.address.text}`;
    throw new RavnError(
      `${file}: node ${node}: the plan has "${name}" at ${address}, found ${what}: give the node ` +
        `file for which the plan was made (--nodes), or run clusterize again`,
    );
  }
}

/** A cluster of the plan, on other nodes: times as their speeds are. */
function copyOf(
  cluster: PlanCluster,
  id: number,
  nodes: readonly NodeConfig[],
): PlanCluster {
  const stages = cluster.stages.map((stage, s): PlanStage => {
    const { id: node, name, address, speed } = nodes[s]!;
    const { forward_ms, backward_ms, update_ms, traffic_ms } = stage.predicted;
    const predicted = {
      forward_ms: forward_ms / speed,
      backward_ms: backward_ms / speed,
      update_ms: update_ms / speed,
      traffic_ms,
    };
    return { ...stage, node, name, address: address.text, predicted };
  });
  return { ...cluster, id, nodes: nodes.map((node) => node.id), stages };
}

/**
 * As many copies of a plan's clusters as the nodes suffice for, in turn; nodes that are left over
 * have nothing to do.
 *
 * @param nodes their speeds are relative to those for which the plan was made
 * @throws {RavnError} where they do not suffice for one cluster
 */
export function scaledPlan(plan: Plan, nodes: readonly NodeConfig[]): Plan {
  const clusters: PlanCluster[] = [];
  let begin = 0;
  for (;;) {
    const cluster = plan.clusters[clusters.length % plan.clusters.length]!;
    const end = begin + cluster.stages.length;
    if (end > nodes.length) break;
    clusters.push(copyOf(cluster, clusters.length, nodes.slice(begin, end)));
    begin = end;
  }
  if (clusters.length === 0) {
    const least = plan.clusters[0]!.stages.length;
    throw new RavnError(
      `--nodes ${nodes.length}: the plan's first cluster alone has ${least} nodes: give at least ` +
        `--nodes ${least}`,
    );
  }
  const { rings, places } = layRings(clusters.map(({ stages }) => stages));
  const node_info = clusters.flatMap(({ id, stages }) =>
    stages.map(({ node, name, address, stage, role }): PlanNode => {
      const { ring_ids, address_to_param } = places[id]![stage]!;
      return { node, name, address, cluster: id, stage, role, ring_ids, address_to_param };
    })
  );
  return {
    ...plan,
    clusters,
    rings: rings.map(({ ring, parameters }) => ({ ring, parameters: [...parameters] })),
    node_info,
  };
}

/** A plan under another schedule, or with its batches cut into other micro-batches. */
export function rescheduled(
  plan: Plan,
  { schedule = plan.schedule, microBatches = plan.micro_batches }: {
    readonly schedule?: Plan["schedule"];
    readonly microBatches?: number;
  },
): Plan {
  const samples = (parts: number) => Math.ceil(plan.batch_size / parts);
  const share = samples(microBatches) / samples(plan.micro_batches);
  const clusters = plan.clusters.map((cluster) => ({
    ...cluster,
    stages: cluster.stages.map((stage): PlanStage => {
      const { forward_ms, backward_ms, traffic_ms, update_ms } = stage.predicted;
      const predicted = {
        forward_ms: forward_ms * share,
        backward_ms: backward_ms * share,
        traffic_ms: traffic_ms * share,
        update_ms,
      };
      return { ...stage, predicted };
    }),
  }));
  return { ...plan, schedule, micro_batches: microBatches, clusters };
}
