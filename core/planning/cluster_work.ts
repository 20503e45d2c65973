import { splitsBackward } from "../pipeline/mod.ts";
import type { Address } from "../address.ts";
import { sameHost } from "../address.ts";
import { connectionRate, wayBetween } from "./links.ts";
import type { NodeConfig } from "./node_configs.ts";
import type { Plan, PlanStage } from "./plan_schema.ts";
import type { ClusterWork, LinkWork, StageWork } from "./predict.ts";

/** What a prediction needs besides a plan and its nodes; all of it can be measured. */
export interface WorkTerms {
  /** Batches whose gradients make one update; 1 unless told. */
  readonly update_frequency?: number;
  /** What comes to each micro-batch besides computing, ms; 0 unless told. */
  readonly overhead_ms?: number;
  /** Cores that a computing stage keeps busy; 1 unless told. */
  readonly cores_used?: number;
  /** Share of the backward pass that the gradients of the weights take, where `zb` parts them. */
  readonly weights_share?: number;
}

/** dX = dY·Wᵀ and dW = Xᵀ·dY are equally much work. */
const WEIGHTS_SHARE = 0.5;

/** A name for each machine: the host of the first of the nodes that lie on it. */
export function hostNames(nodes: readonly { readonly address: Address }[]): string[] {
  const known: Address[] = [];
  return nodes.map(({ address }) => {
    const first = known.find((other) => sameHost(other, address));
    if (first === undefined) known.push(address);
    return (first ?? address).host;
  });
}

/** Cores by machine, where they were measured: the most that any of its nodes found. */
export function hostCores(nodes: readonly NodeConfig[]): Map<string, number> {
  const cores = new Map<string, number>();
  hostNames(nodes).forEach((host, i) => {
    const found = nodes[i]!.probe?.cores;
    if (found !== undefined) cores.set(host, Math.max(found, cores.get(host) ?? 0));
  });
  return cores;
}

/** Bytes from stage to stage for one micro-batch, both ways. */
function linksOf(
  stages: readonly PlanStage[],
  nodes: readonly NodeConfig[],
  batch: number,
): LinkWork[] {
  const bytes = new Map<string, number>();
  const add = (from: number, to: number, more: number) =>
    bytes.set(`${from} ${to}`, (bytes.get(`${from} ${to}`) ?? 0) + more * batch);
  for (const { stage, sends } of stages) {
    for (const { to, bytes_per_sample, gradient } of sends) {
      for (const other of to) {
        add(stage, other, bytes_per_sample);
        if (gradient) add(other, stage, bytes_per_sample);
      }
    }
  }
  return [...bytes].map(([key, count]) => {
    const [from, to] = key.split(" ").map(Number) as [number, number];
    const { bandwidth_mbps, latency_ms } = wayBetween(nodes[from]!, nodes[to]!);
    return { from, to, bytes: Math.round(count), bandwidth_mbps, latency_ms };
  });
}

/**
 * The numbers by which `predict` judges a cluster of a plan.
 *
 * @param pool the nodes of the node file, in the order of their ids
 * @throws {RangeError} where the plan has no such cluster, or a node that the pool has not
 */
export function clusterWork(
  plan: Plan,
  cluster: number,
  pool: readonly NodeConfig[],
  terms: WorkTerms = {},
): ClusterWork {
  const { overhead_ms = 0, cores_used = 1, weights_share = WEIGHTS_SHARE } = terms;
  const planned = plan.clusters[cluster];
  if (planned === undefined) throw new RangeError(`the plan has no cluster ${cluster}`);
  const { stages, in_flight } = planned;
  const nodes = stages.map(({ node, name }) => {
    const found = pool[node];
    if (found === undefined) throw new RangeError(`the pool has no node ${node} ("${name}")`);
    return found;
  });
  const hosts = hostNames(pool);
  const splits = splitsBackward({ schedule: plan.schedule, stages: stages.length });
  return {
    schedule: plan.schedule,
    batch_size: plan.batch_size,
    micro_batches: plan.micro_batches,
    in_flight,
    update_frequency: terms.update_frequency ?? 1,
    stages: stages.map(({ predicted, recompute, memory, node, name }, s): StageWork => {
      const { forward_ms, backward_ms, update_ms } = predicted;
      const gradients_ms = backward_ms - (recompute ? forward_ms : 0);
      return {
        node: name,
        host: hosts[node]!,
        forward_ms,
        backward_ms,
        weights_ms: splits ? weights_share * gradients_ms : 0,
        update_ms,
        overhead_ms,
        cores_used,
        connection_mbps: connectionRate(nodes[s]!),
        memory_bytes: memory.total,
        ram_bytes: nodes[s]!.ram_gb * 2 ** 30,
      };
    }),
    links: linksOf(stages, nodes, Math.ceil(plan.batch_size / plan.micro_batches)),
    cores: hostCores(pool),
  };
}
