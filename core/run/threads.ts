import { availableParallelism } from "node:os";
import { sameHost } from "../address.ts";
import type { Address } from "../address.ts";
import type { Schedule } from "../pipeline/mod.ts";

/** Part of a core that is not worth a further thread. */
const SPARE = 0.1;

/** How much of its host a provider may take. */
export interface ThreadTerms {
  /** Its part of the work of all stages on the host, more than 0 to 1. */
  readonly share: number;
  /** Whether stages stand idle in turns, as they do where an update waits for all of them. */
  readonly takesTurns: boolean;
  /** Of the host. */
  readonly cores?: number | undefined;
}

/**
 * Threads of a provider where nobody says how many: its share of the cores of its host, rounded up,
 * so that all stages are done at the same time. More would take cores from those that all wait for,
 * and operators that wait for a thread which another process keeps off its core: on two cores,
 * three equal stages of the digits CNN trained 1.25 times as fast with one thread each as with two,
 * and those of a GPT 1.15 times; of a perceptron, in which one stage has two thirds of the work,
 * 1.07 times as fast where that one has two. Stages that take turns have twice as many: the same
 * GPT in the schedule 1f1b trained 1.06 times as fast.
 */
export function automaticThreads({ share, takesTurns, cores }: ThreadTerms): number {
  const all = cores ?? availableParallelism();
  const part = (takesTurns ? 2 : 1) * share * all;
  return Math.max(1, Math.min(all, Math.ceil(part - SPARE)));
}

/** Whether `stages` stages that train in this way stand idle in turns. */
export function takesTurns(
  { schedule, in_flight }: { readonly schedule: Schedule; readonly in_flight: number },
  stages: number,
): boolean {
  return schedule !== "async" || in_flight < stages;
}

/**
 * Threads with which operators are timed, where nobody says how many: those of a stage that takes
 * turns with `here` equal ones, so that it shows what more than one are good for.
 */
export function timingThreads(here: number, cores = availableParallelism()): number {
  return automaticThreads({ share: 1 / here, takesTurns: true, cores });
}

/** The most nodes that share a host. */
export function nodesOnOneHost(addresses: readonly Address[]): number {
  const counts = addresses.map((address) =>
    addresses.filter((other) => sameHost(address, other)).length
  );
  return Math.max(1, ...counts);
}
