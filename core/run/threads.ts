import { availableParallelism } from "node:os";
import { sameHost } from "../address.ts";
import type { Address } from "../address.ts";

/**
 * Threads of a provider where nobody says how many: twice its share of the cores of its host. While
 * a stage waits for others they would lie idle, and threads that wait do not spin. On two cores,
 * three equal stages of the digits CNN ran 1.1 times as fast with two threads each as with one. A
 * stage that has less to do than the slowest has so many fewer: its threads would only take cores
 * from those that all wait for (a perceptron of uneven stages ran 1.03 times as fast).
 *
 * @param here nodes on the provider's host
 * @param load time of the provider's stage over that of the slowest one, more than 0 to 1
 * @param cores of the host
 */
export function automaticThreads(here: number, load = 1, cores = availableParallelism()): number {
  const share = Math.min(cores, Math.ceil(2 * cores / here));
  return Math.max(1, Math.round(share * load));
}

/** The most nodes that share a host. */
export function nodesOnOneHost(addresses: readonly Address[]): number {
  const counts = addresses.map((address) =>
    addresses.filter((other) => sameHost(address, other)).length
  );
  return Math.max(1, ...counts);
}
