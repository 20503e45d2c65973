import { availableParallelism } from "node:os";
import { sameHost } from "../planning/mod.ts";
import type { Address } from "../planning/mod.ts";

/**
 * Threads of a provider where nobody says how many: twice its share of the cores of its host. While
 * a stage waits for others they would lie idle, and threads that wait do not spin. On two cores,
 * three stages of the digits CNN and of a perceptron ran 1.1 times as fast with two threads each as
 * with one.
 *
 * @param here nodes on the provider's host
 */
export function automaticThreads(here: number): number {
  const cores = availableParallelism();
  return Math.min(cores, Math.ceil(2 * cores / here));
}

/** The most nodes that share a host. */
export function nodesOnOneHost(addresses: readonly Address[]): number {
  const counts = addresses.map((address) =>
    addresses.filter((other) => sameHost(address, other)).length
  );
  return Math.max(1, ...counts);
}
