import { sameHost } from "../address.ts";
import type { NodeConfig } from "./node_configs.ts";

/** Rate of a link within one machine, Mbit/s, where none was measured. */
export const LOCAL_MBPS = 10_000;

/** The way from one node to another. */
export interface NodeWay {
  /** Mbit/s (10^6 bits). */
  readonly bandwidth_mbps: number;
  /** One way, ms. */
  readonly latency_ms: number;
  /** True within one machine: no network is in the way. */
  readonly isLocal: boolean;
}

/**
 * The way from `a` to `b`: as measured there, else as measured the other way round, else as fast as
 * the slower end's `bandwidth`, with no latency.
 */
export function wayBetween(a: NodeConfig, b: NodeConfig): NodeWay {
  const isLocal = sameHost(a.address, b.address);
  const measured = a.links?.get(b.id) ?? b.links?.get(a.id);
  if (measured !== undefined) return { ...measured, isLocal };
  if (isLocal) return { bandwidth_mbps: LOCAL_MBPS, latency_ms: 0, isLocal };
  const bandwidth_mbps = Math.min(a.bandwidth_mbps, b.bandwidth_mbps);
  return { bandwidth_mbps, latency_ms: 0, isLocal };
}

/** Mbit/s between two neighbours of a pipeline, in the slower direction. */
export function linkRate(a: NodeConfig, b: NodeConfig): number {
  return Math.min(wayBetween(a, b).bandwidth_mbps, wayBetween(b, a).bandwidth_mbps);
}

/**
 * What a node's own connection carries, each way, Mbit/s: its `bandwidth`, or the best of its
 * measured links, where that is more.
 */
export function connectionRate(node: NodeConfig): number {
  let rate = node.bandwidth_mbps;
  for (const link of node.links?.values() ?? []) rate = Math.max(rate, link.bandwidth_mbps);
  return rate;
}
