import type { NodeConfig } from "../planning/mod.ts";
import type { Random } from "../random.ts";

/** Standard deviation of the logarithm of a node's speed, and how far it goes. */
const SPEED_SIGMA = 0.3;
const SPEED_MOST = 2;

/** Bandwidths are drawn so that each of their tenfolds is as likely, Mbit/s. */
const BANDWIDTH_LEAST = 100;
const BANDWIDTH_MOST = 1000;

const RAM_GB = [8, 16, 32];

/** Hosts of a network whose addresses have the same first number. */
const HOSTS = 256;

/**
 * Draws a pool of uneven nodes, each on a machine of its own: speed around 1 (half to double),
 * bandwidth from 100 to 1000 Mbit/s, memory of 8, 16 or 32 GB.
 */
export function modelledPool(count: number, random: Random): NodeConfig[] {
  return Array.from({ length: count }, (_, id) => {
    const node = random.fork("node").fork(id);
    const speed = Math.exp(SPEED_SIGMA * node.normal());
    const host = `10.0.${Math.floor(id / HOSTS)}.${id % HOSTS}`;
    return {
      id,
      name: `node_${id}`,
      address: { host, port: 8080, text: `${host}:8080` },
      ram_gb: RAM_GB[node.integer(RAM_GB.length)]!,
      bandwidth_mbps: BANDWIDTH_LEAST * (BANDWIDTH_MOST / BANDWIDTH_LEAST) ** node.uniform(),
      speed: Math.min(SPEED_MOST, Math.max(1 / SPEED_MOST, speed)),
    };
  });
}
