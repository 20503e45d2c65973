import type { Holder } from "../collective/mod.ts";
import { predict } from "../planning/mod.ts";
import type { SimulationInput } from "./input.ts";
import type { MessageKind } from "./link.ts";
import type { SimulatedLoss, SimulatedNode, Simulation } from "./simulation.ts";
import type { WaitCause } from "./stage_counts.ts";

/** What one stage did. */
export interface StageResult extends Holder {
  readonly node: string;
  readonly busy_ms: number;
  /** Share of the run in which it computed nothing, 0 to 1. */
  readonly bubble: number;
  readonly waits_ms: Readonly<Record<WaitCause, number>>;
  /** Micro-batches by the number of updates that their gradients came late: [in time, 1, 2, …]. */
  readonly staleness: readonly number[];
  /** Micro-batches forwarded and not yet brought back, at most. */
  readonly outstanding: number;
  /** Messages that had come and were not needed yet, at most. */
  readonly early: number;
}

/** What went over a link in one direction. */
export interface LinkResult {
  readonly from: string;
  readonly to: string;
  readonly messages: number;
  /** Bytes of tensors, in all and by kind of message. */
  readonly bytes: number;
  readonly kinds: Readonly<Partial<Record<MessageKind, number>>>;
  /** Share of the run in which it carried something, 0 to 1. */
  readonly busy: number;
  /** Messages that were given to it and had not left: on the average, and at most. */
  readonly waiting_mean: number;
  readonly waiting_most: number;
}

/** What one cluster did. */
export interface ClusterResult {
  readonly cluster: number;
  readonly stages: number;
  /** Time of a batch in the middle of the run, averages and validations included, ms. */
  readonly step_ms: number;
  /** The same as planning predicts it, without averages and validations. */
  readonly predicted_ms: number;
  readonly bubble: number;
}

/** How long averaging took the nodes. */
export interface AveragingResult {
  readonly rounds: number;
  /** From the beginning of a round until a node has the mean and has sent all, ms. */
  readonly mean_ms: number;
  readonly longest_ms: number;
  /** How long a node waited for averages in the whole run: on the average, and at most, ms. */
  readonly waited_mean_ms: number;
  readonly waited_most_ms: number;
  /** All nodes together. */
  readonly bytes: number;
}

/** What a simulation tells. Times are virtual. */
export interface SimulationResult {
  readonly seed: number;
  readonly nodes: number;
  /** Updates that every cluster has made. */
  readonly updates: number;
  readonly wall_ms: number;
  /** Updates of a cluster. */
  readonly steps_per_s: number;
  /** Of all clusters together. */
  readonly samples_per_s: number;
  /** Of all stages. */
  readonly bubble: number;
  /** Of all stages: see `StageResult`. */
  readonly staleness: readonly number[];
  readonly clusters: readonly ClusterResult[];
  readonly stages: readonly StageResult[];
  readonly links: readonly LinkResult[];
  /** Where clusters average. */
  readonly averaging?: AveragingResult;
  /** How the run ended early, if it did. */
  readonly loss?: SimulatedLoss;
  /** Steps of the simulation itself. */
  readonly events: number;
}

/** Sums up a simulation that has been run. */
export function resultOf(simulation: Simulation, input: SimulationInput): SimulationResult {
  const { nodes, ended_ms, queue, loss } = simulation;
  const all = nodes.flat();
  for (const { training } of all) training.counts.goesOn(ended_ms);
  const stages = all.map((node) => stageResult(node, ended_ms));
  const updates = Math.min(...all.map(({ training }) => training.counts.updates_ms.length));
  const { batch_size, update_frequency } = input.shape;
  const steps_per_s = ended_ms > 0 ? updates / ended_ms * 1000 : 0;
  const averaging = averagingResult(all);
  return {
    seed: input.seed,
    nodes: all.length,
    updates,
    wall_ms: ended_ms,
    steps_per_s,
    samples_per_s: steps_per_s * batch_size * update_frequency * nodes.length,
    bubble: mean(stages.map(({ bubble }) => bubble)),
    staleness: sumOf(stages.map(({ staleness }) => staleness)),
    clusters: nodes.map((members, cluster) => ({
      cluster,
      stages: members.length,
      step_ms: stepTime(members[0]!, ended_ms) / update_frequency,
      predicted_ms: predict(input.clusters[cluster]!.work).step_ms,
      bubble: mean(members.map((node) => bubbleOf(node, ended_ms))),
    })),
    stages,
    links: all.flatMap((node) => linkResults(node, ended_ms)),
    ...(averaging === undefined ? {} : { averaging }),
    ...(loss === undefined ? {} : { loss }),
    events: queue.count,
  };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function bubbleOf({ training }: SimulatedNode, ended_ms: number): number {
  return ended_ms > 0 ? 1 - Math.min(1, training.counts.busy_ms / ended_ms) : 0;
}

function stageResult(node: SimulatedNode, ended_ms: number): StageResult {
  const { cluster, stage, name, training: { counts } } = node;
  return {
    cluster,
    stage,
    node: name,
    busy_ms: counts.busy_ms,
    bubble: bubbleOf(node, ended_ms),
    waits_ms: counts.waits_ms,
    staleness: counts.staleness,
    outstanding: counts.outstanding_most,
    early: counts.early_most,
  };
}

/** Sums of several histograms. */
function sumOf(histograms: readonly (readonly number[])[]): number[] {
  const sums: number[] = [];
  for (const histogram of histograms) {
    histogram.forEach((count, i) => sums[i] = (sums[i] ?? 0) + count);
  }
  return sums;
}

/** The time of an update from the first quarter of a run to the last: it begins and ends slowly. */
function stepTime({ training }: SimulatedNode, ended_ms: number): number {
  const times = training.counts.updates_ms;
  const [first, last] = [Math.floor(times.length / 4), Math.floor(times.length * 3 / 4)];
  if (last <= first) return times.length > 0 ? ended_ms / times.length : ended_ms;
  return (times[last]! - times[first]!) / (last - first);
}

function linkResults({ name, links }: SimulatedNode, ended_ms: number): LinkResult[] {
  return [...links].map(([to, link]) => ({
    from: name,
    to: to.name,
    messages: link.messages,
    bytes: [...link.bytes.values()].reduce((sum, bytes) => sum + bytes, 0),
    kinds: Object.fromEntries([...link.bytes].filter(([, bytes]) => bytes > 0)),
    busy: ended_ms > 0 ? Math.min(1, link.busy_ms / ended_ms) : 0,
    waiting_mean: ended_ms > 0 ? link.waited_ms / ended_ms : 0,
    waiting_most: link.waiting_most,
  }));
}

function averagingResult(nodes: readonly SimulatedNode[]): AveragingResult | undefined {
  const parts = nodes.flatMap(({ training }) => training.averaging ?? []);
  if (parts.length === 0) return undefined;
  const rounds = parts.flatMap(({ rounds_ms }) => rounds_ms);
  const waited = nodes.map(({ training }) => training.counts.waits_ms.average);
  const links = nodes.flatMap((node) => [...node.links.values()]);
  return {
    rounds: Math.min(...parts.map(({ rounds_ms }) => rounds_ms.length)),
    mean_ms: mean(rounds),
    longest_ms: rounds.reduce((longest, ms) => Math.max(longest, ms), 0),
    waited_mean_ms: mean(waited),
    waited_most_ms: waited.reduce((most, ms) => Math.max(most, ms), 0),
    bytes: links.reduce(
      (sum, { bytes }) => sum + (bytes.get("reduce") ?? 0) + (bytes.get("gather") ?? 0),
      0,
    ),
  };
}
