import { availableParallelism } from "node:os";
import { isLocal } from "../address.ts";
import type { NodeConfig } from "../planning/mod.ts";

const CGROUP = "/sys/fs/cgroup";
const MB = 2 ** 20;

/** What a limit file of a control group says; Infinity for `max`, undefined where there is none. */
export function limitIn(text: string | undefined): number | undefined {
  const word = text?.trim().split(/\s+/)[0];
  if (word === undefined || word === "") return undefined;
  return word === "max" ? Infinity : Number(word);
}

/** Cores that `cpu.max` of a control group (`quota period`, µs) allows. */
export function coresIn(text: string | undefined): number {
  const [quota, period] = (text ?? "").trim().split(/\s+/).map(Number);
  return quota! > 0 && period! > 0 ? quota! / period! : Infinity;
}

function fileIn(group: string, name: string): string | undefined {
  try {
    return Deno.readTextFileSync(`${group}/${name}`);
  } catch {
    return undefined;
  }
}

/** Cores that this process may use: its affinity and the limits of its control group count. */
export function usableCores(): number {
  return Math.min(availableParallelism(), coresIn(fileIn(CGROUP, "cpu.max")));
}

/**
 * Memory that is free for training, MB (2²⁰ bytes): what the system can give without swapping, and
 * what the limits of the control group leave. File pages that can be given up count as free.
 */
export function freeMemory(): number {
  const { available } = Deno.systemMemoryInfo();
  const limit = limitIn(fileIn(CGROUP, "memory.max")) ?? Infinity;
  const used = limitIn(fileIn(CGROUP, "memory.current")) ?? 0;
  const pages = /^inactive_file (\d+)$/m.exec(fileIn(CGROUP, "memory.stat") ?? "")?.[1] ?? 0;
  return Math.floor(Math.min(available, limit - used + Number(pages)) / MB);
}

/** True for an address of this machine. */
export function isHere({ host }: NodeConfig["address"]): boolean {
  return isLocal(host, Deno.networkInterfaces().map(({ address }) => address));
}

/** The nodes, with this machine's cores for those that are on it and were not probed. */
export function withCores(nodes: readonly NodeConfig[]): NodeConfig[] {
  const cores = usableCores();
  return nodes.map((node) =>
    node.probe?.cores === undefined && isHere(node.address)
      ? { ...node, probe: { ...node.probe, cores } }
      : node
  );
}
