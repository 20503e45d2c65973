import type { Graph } from "../../onnx/mod.ts";
import { parseNodeConfigs } from "../node_configs.ts";
import type { NodeConfig } from "../node_configs.ts";
import type { PlanInput } from "../plan.ts";
import { inferredFacts } from "./inferred_facts.ts";

/** A node of the pool; the walkthrough's 8 GB and 10 Mbps unless told otherwise. */
export interface PoolNode {
  readonly ip?: string;
  readonly ram?: number;
  readonly bandwidth?: number;
  readonly speed?: number;
}

/** Nodes by way of their file. Without an address each has a host of its own. */
export function poolOf(nodes: readonly PoolNode[]): NodeConfig[] {
  const entries = nodes.map(({ ip, ram = 8, bandwidth = 10, speed }, id) => [
    String(id),
    {
      IP: ip ?? `host${id}:8080`,
      benchmarks: { ram, bandwidth, ...(speed === undefined ? {} : { speed }) },
    },
  ]);
  return parseNodeConfigs(JSON.stringify(Object.fromEntries(entries)), "node_configs.json");
}

/** `count` nodes that are alike. */
export function alike(count: number, node: PoolNode = {}): NodeConfig[] {
  return poolOf(Array.from({ length: count }, () => node));
}

/** The walkthrough's nodes: three on one machine. */
export function walkthroughNodes(): NodeConfig[] {
  return poolOf([8080, 8081, 8082].map((port) => ({ ip: `0.0.0.0:${port}` })));
}

/** The walkthrough's training, changed where told. */
export function planInput(
  graph: Graph,
  nodes: readonly NodeConfig[],
  changes: Partial<PlanInput> = {},
): PlanInput {
  return {
    graph,
    facts: inferredFacts(graph),
    model: { file: "model.onnx", sha256: "0".repeat(64) },
    nodes,
    nodes_file: "node_data/node_configs.json",
    batch_size: 64,
    micro_batches: 1,
    seed: 42,
    split: "time",
    schedule: "async",
    in_flight: "auto",
    optimizer_slots: 2,
    recompute: "auto",
    ...changes,
  };
}
