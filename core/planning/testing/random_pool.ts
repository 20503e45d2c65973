import type { Random } from "../../random.ts";
import type { NodeConfig } from "../node_configs.ts";
import { parseNodeConfigs } from "../node_configs.ts";

/** What random nodes are like. */
export interface PoolShape {
  readonly count: number;
  /** Least and most memory, bytes. */
  readonly ram_bytes: readonly [number, number];
  /** Least and most bandwidth, Mbit/s. */
  readonly mbps: readonly [number, number];
  /** Share of the links that were measured, 0 to 1. */
  readonly measured: number;
  /** Probability that a node shares the machine of another one. */
  readonly shared: number;
}

/** Random nodes by way of their file: speeds of 0.25 to 4, some on one machine. */
export function randomPool(random: Random, shape: PoolShape): NodeConfig[] {
  const { count, ram_bytes, mbps, measured, shared } = shape;
  const between = ([low, high]: readonly [number, number]) =>
    low * Math.pow(high / low, random.uniform());
  const hosts: string[] = [];
  const entries = Array.from({ length: count }, (_, id) => {
    const isShared = hosts.length > 0 && random.uniform() < shared;
    const host = isShared ? hosts[random.integer(hosts.length)]! : `host${id}`;
    hosts.push(host);
    const links: Record<string, { bandwidth_mbps: number; latency_ms: number }> = {};
    for (let other = 0; other < count; other++) {
      if (other === id || random.uniform() >= measured) continue;
      links[`node_${other}`] = {
        bandwidth_mbps: between(mbps),
        latency_ms: random.integer(3) * random.uniform(),
      };
    }
    return [String(id), {
      IP: `${host}:${8080 + id}`,
      benchmarks: {
        ram: between(ram_bytes) / 2 ** 30,
        bandwidth: between(mbps),
        speed: between([0.25, 4]),
      },
      ...(Object.keys(links).length === 0 ? {} : { links }),
    }] as const;
  });
  return parseNodeConfigs(JSON.stringify(Object.fromEntries(entries)), "node_configs.json");
}
