import { RavnError } from "../error.ts";
import type { Facts, Graph } from "../onnx/mod.ts";
import { Random } from "../random.ts";
import { checkAssignment } from "./assignment.ts";
import type { OperatorTimes } from "./cost.ts";
import { checkStageCount } from "./cut_positions.ts";
import { bytesSent, deliveriesOf } from "./deliveries.ts";
import { formClusters } from "./form_clusters.ts";
import { Layouts } from "./layout.ts";
import type { ClusterLayout, LayoutTerms } from "./layout.ts";
import type { NodeConfig } from "./node_configs.ts";
import type { Plan, PlanCluster, PlanNode, PlanStage, Role } from "./plan_schema.ts";
import { layRings } from "./rings.ts";
import { batchTime } from "./throughput.ts";
import type { AveragingTerms } from "./throughput.ts";
import { workloadOf } from "./workload.ts";
import type { Workload } from "./workload.ts";

/** How a plan knows the model that it was made for again. */
export interface ModelIdentity {
  readonly file: string;
  /** SHA-256 of the file in hex. */
  readonly sha256: string;
  /** That of each of its data files, by their place in its folder; absent where it has none. */
  readonly external?: Readonly<Record<string, string>> | undefined;
}

/** Everything that a plan depends on. */
export interface PlanInput extends LayoutTerms, AveragingTerms {
  /** The model: shape arithmetic folded, no dead nodes. */
  readonly graph: Graph;
  readonly facts: Facts;
  /** The model's file and what else the plan shall keep about it. */
  readonly model: ModelIdentity;
  /** Measured times by node name; estimates take the place of missing ones. */
  readonly times?: OperatorTimes;
  /** In the order of their ids. */
  readonly nodes: readonly NodeConfig[];
  /** Samples in a batch; a micro-batch is a batch divided by `micro_batches`, rounded up. */
  readonly batch_size: number;
  readonly seed: number;
  /** A number of clusters, or the node ids of each in the order of the pipeline. */
  readonly clusters?: number | readonly (readonly number[])[];
  /** The parameters to train, where the caller knows better than `modelState`. */
  readonly trainable?: ReadonlySet<string>;
}

/** The clusters as node ids. */
function clustersFor(input: PlanInput, layouts: Layouts): readonly (readonly number[])[] {
  const { nodes, clusters, nodes_file } = input;
  if (typeof clusters === "object") {
    checkAssignment(clusters, nodes.length, "clusters");
    return clusters;
  }
  const { size_max } = layouts;
  if (
    clusters !== undefined &&
    !(Number.isInteger(clusters) && clusters >= 1 && clusters <= nodes.length)
  ) {
    throw new RavnError(
      `clusters: ${nodes.length} nodes can form 1 to ${nodes.length} clusters, got ${clusters}`,
    );
  }
  if (clusters !== undefined && nodes.length > clusters * size_max) {
    throw new RavnError(
      `clusters: ${nodes.length} nodes do not go into ${clusters}: the model can be cut into ` +
        `${size_max} stages, so form at least ${Math.ceil(nodes.length / size_max)} clusters, or ` +
        `take nodes out of ${nodes_file}`,
    );
  }
  const found = formClusters({
    nodes: nodes.length,
    size_max,
    ...(clusters === undefined ? {} : { clusters }),
    strength: (id) => nodes[id]!.speed,
    assess: (ids) => layouts.assess(ids.map((id) => nodes[id]!)),
    ...(input.objective === "throughput"
      ? { batchTime: (assessed) => batchTime(assessed, input) }
      : {}),
  }, new Random(input.seed).fork("clusters"));
  return found.clusters;
}

function roleOf(stage: number, stages: number): Role {
  if (stages === 1) return "single";
  return stage === 0 ? "root" : stage === stages - 1 ? "leaf" : "stem";
}

/** Six significant digits are more than a prediction has. */
function rounded(ms: number): number {
  return Number(ms.toPrecision(6));
}

function planStages(workload: Workload, layout: ClusterLayout): PlanStage[] {
  const { begins, nodes } = layout;
  const deliveries = deliveriesOf(workload, begins);
  return nodes.map((node, stage): PlanStage => {
    const operators = workload.operators.slice(begins[stage], begins[stage + 1]);
    const parameters = [...new Set(operators.flatMap((operator) => operator.parameters))];
    const { memory, recompute, outstanding, ...times } = layout.stages[stage]!;
    return {
      stage,
      node: node.id,
      name: node.name,
      address: node.address.text,
      role: roleOf(stage, nodes.length),
      operators: operators.map(({ name }) => name),
      parameters,
      buffers: [...new Set(operators.flatMap((operator) => operator.buffers))],
      parameter_count: parameters.reduce((n, p) => n + workload.parameters.get(p)!.elements, 0),
      memory,
      recompute,
      outstanding,
      predicted: {
        forward_ms: rounded(times.forward_ms),
        backward_ms: rounded(times.backward_ms),
        traffic_ms: rounded(times.traffic_ms),
        update_ms: rounded(times.update_ms),
      },
      bytes_sent: bytesSent(deliveries[stage]!, workload.batch),
      ...deliveries[stage]!,
    };
  });
}

function planCluster(workload: Workload, layout: ClusterLayout, id: number): PlanCluster {
  const { in_flight, nodes } = layout;
  const times = layout.stages.map((s) => s.forward_ms + s.backward_ms + s.traffic_ms);
  return {
    id,
    nodes: nodes.map((node) => node.id),
    in_flight,
    predicted_step_ms: rounded(Math.max(...times)),
    stages: planStages(workload, layout),
  };
}

function checkNumbers(
  { nodes, batch_size, micro_batches, in_flight, nodes_file }: PlanInput,
): void {
  if (nodes.length === 0) throw new RavnError(`${nodes_file}: no nodes: expected at least one`);
  const numbers = { batch_size, micro_batches, in_flight: in_flight === "auto" ? 1 : in_flight };
  for (const [key, value] of Object.entries(numbers)) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new RavnError(`${key} must be a whole number of at least 1, got ${value}`);
  }
}

/**
 * Plans a training run: forms clusters of the nodes, cuts the model into a stage for each node of a
 * cluster, lays the rings between clusters. The same input gives the same plan.
 *
 * @throws {RavnError} where the nodes cannot hold the model, the model cannot be cut so far, or the
 *   given clusters are wrong; the message says what to change
 */
export function makePlan(input: PlanInput): Plan {
  checkNumbers(input);
  const { graph, facts, times, trainable, nodes } = input;
  const workload = workloadOf(graph, facts, {
    batch: Math.ceil(input.batch_size / input.micro_batches),
    ...(times === undefined ? {} : { times }),
    ...(trainable === undefined ? {} : { trainable }),
  });
  checkStageCount(workload, 1);
  const layouts = new Layouts(workload, input, nodes);
  const isFixed = typeof input.clusters === "object";
  const formed = clustersFor(input, layouts);
  const advice = formed.length === 1
    ? `add nodes or RAM, lower batch_size or in_flight, or set recompute to "on"`
    : `each of the ${formed.length} clusters must hold the model, and one takes up to ` +
      `${layouts.size_max} nodes: form fewer clusters, take nodes out, or give them more RAM`;
  const clusters = formed.map((ids, id) => {
    checkStageCount(workload, ids.length);
    const layout = layouts.layOut(ids.map((node) => nodes[node]!), { isFixed, advice });
    return planCluster(workload, layout, id);
  });
  const { rings, places } = layRings(clusters.map(({ stages }) => stages));
  const node_info = clusters.flatMap(({ id, stages }) =>
    stages.map(({ node, name, address, stage, role }): PlanNode => {
      const { ring_ids, address_to_param } = places[id]![stage]!;
      return { node, name, address, cluster: id, stage, role, ring_ids, address_to_param };
    })
  ).sort((a, b) => a.node - b.node);
  return {
    format: 1,
    model: { ...input.model },
    batch_size: input.batch_size,
    micro_batches: input.micro_batches,
    seed: input.seed,
    split: input.split,
    schedule: input.schedule,
    in_flight: input.in_flight,
    objective: input.objective ?? "balance",
    clusters,
    rings: rings.map(({ ring, parameters }) => ({ ring, parameters: [...parameters] })),
    node_info,
  };
}
