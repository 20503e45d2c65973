import { Calendar, operations, splitsBackward } from "../pipeline/mod.ts";
import type { Operation } from "../pipeline/mod.ts";
import type { ClusterWork, StageWork } from "./predict.ts";
import { transferTime } from "./transfer.ts";

/** Stages up to which the operations are followed; beyond, bounds are near enough. */
export const FOLLOWED_STAGES_MAX = 64;
/** Batches of a synchronous schedule until each takes as long as the one before. */
const SYNCHRONOUS_BATCHES = 6;
/** How often the micro-batches under way are replaced until the asynchronous schedule is steady. */
const ROUNDS = 8;

/** A stage on its way through its operations. */
interface Runner {
  readonly stage: number;
  readonly work: StageWork;
  readonly operations: Iterator<Operation>;
  /** Arrival of the activations, and of the gradients, of each micro-batch, ms; by link. */
  readonly arrivals: ReadonlyMap<number, number[]>;
  current: Operation | undefined;
  /** What is left of the current operation at full speed, ms; undefined before it has begun. */
  left_ms: number | undefined;
  /** Share of full speed, where the cores of the machine are too few. */
  rate: number;
}

/** A one-way link and when it is free again. */
interface Way {
  readonly to: number;
  readonly transfer_ms: number;
  readonly latency_ms: number;
  free_ms: number;
}

function durationOf(operation: Operation, work: StageWork, splits: boolean): number {
  const weights_ms = splits ? work.weights_ms : 0;
  switch (operation.type) {
    case "forward":
      return work.forward_ms + work.overhead_ms / 2;
    case "backward":
      return work.backward_ms - weights_ms + work.overhead_ms / 2;
    case "step":
      return work.forward_ms + work.backward_ms - weights_ms + work.overhead_ms;
    case "weights":
      return work.weights_ms;
    case "update":
      return work.update_ms;
    default:
      return 0;
  }
}

/**
 * Speed of a stage that computes on a machine of so many cores, over its speed alone there.
 *
 * With u its cores and w those that all computing stages want, it has a share min(1, cores / w) of
 * them, and its work takes 1 + (contention − 1) x times as long as alone: cores are siblings, or
 * share caches and memory. x = (w − u) / (cores − u), at most 1, is how much of the other cores is
 * busy; what its own threads do to each other is in its times already.
 *
 * @param wanted cores that all stages want which compute on the machine, this one too
 */
export function rateAmong(work: StageWork, wanted: number, cores: number): number {
  const { cores_used, contention = 1 } = work;
  const others = wanted - cores_used;
  const left = Math.max(0, cores - cores_used);
  const busy = others <= 0 ? 0 : Math.min(1, others / left);
  return Math.min(1, cores / wanted) / (1 + (contention - 1) * busy);
}

/**
 * The pipeline in virtual time: each stage goes through the operations of its schedule in their
 * order, waits for what an operation needs, and shares the cores of its machine with the others.
 */
class Timeline {
  readonly #cluster: ClusterWork;
  readonly #runners: readonly Runner[];
  readonly #ways: readonly (readonly Way[])[];
  readonly #splits: boolean;
  #now = 0;
  /** When the first stage had made each update, ms. */
  readonly updates: number[] = [];

  constructor(cluster: ClusterWork, batches: number) {
    this.#cluster = cluster;
    const { schedule, stages, links, micro_batches, update_frequency, in_flight } = cluster;
    this.#splits = splitsBackward({ schedule, stages: stages.length });
    const calendar = new Calendar({
      epochs: 1,
      samples: batches * micro_batches,
      batch_size: micro_batches,
      micro_batches,
      update_frequency,
      validation_samples: 0,
      validation_every: 0,
    });
    this.#runners = stages.map((work, stage): Runner => {
      const position = { schedule, stage, stages: stages.length, inFlight: in_flight };
      const from = links.filter(({ to }) => to === stage).map(({ from }) => from);
      return {
        stage,
        work,
        operations: operations(position, calendar),
        arrivals: new Map(from.map((other) => [other, []])),
        current: undefined,
        left_ms: undefined,
        rate: 1,
      };
    });
    this.#ways = stages.map((_, stage) =>
      links.filter(({ from }) => from === stage).map((link) => ({
        to: link.to,
        transfer_ms: transferTime(link.bytes, link.bandwidth_mbps),
        latency_ms: link.latency_ms,
        free_ms: 0,
      }))
    );
  }

  /** Runs all operations. */
  run(): void {
    for (const runner of this.#runners) this.#advance(runner);
    while (true) {
      this.#share();
      const next_ms = this.#nextTime();
      if (next_ms === Infinity) return;
      this.#elapse(next_ms);
    }
  }

  #advance(runner: Runner): void {
    const next = runner.operations.next();
    runner.current = next.done === true ? undefined : next.value;
    runner.left_ms = undefined;
  }

  /** When everything that the current operation reads has arrived, ms; Infinity while unknown. */
  #ready({ current, arrivals, stage }: Runner): number {
    if (current === undefined) return Infinity;
    if (current.type !== "forward" && current.type !== "backward" && current.type !== "step") {
      return 0;
    }
    let ready_ms = 0;
    for (const [from, times] of arrivals) {
      if ((current.type === "backward") !== from > stage) continue;
      ready_ms = Math.max(ready_ms, times[current.microBatch] ?? Infinity);
    }
    return ready_ms;
  }

  /** Begins what can begin, and parts the cores of each machine among the stages that compute. */
  #share(): void {
    const wanted = new Map<string, number>();
    for (const runner of this.#runners) {
      if (runner.left_ms === undefined && this.#ready(runner) <= this.#now) {
        runner.left_ms = durationOf(runner.current!, runner.work, this.#splits);
      }
      if (runner.left_ms === undefined) continue;
      const { host, cores_used } = runner.work;
      wanted.set(host, (wanted.get(host) ?? 0) + cores_used);
    }
    for (const runner of this.#runners) {
      if (runner.left_ms === undefined) continue;
      const { host } = runner.work;
      const cores = this.#cluster.cores.get(host) ?? Infinity;
      runner.rate = rateAmong(runner.work, wanted.get(host)!, cores);
    }
  }

  #nextTime(): number {
    let next_ms = Infinity;
    for (const runner of this.#runners) {
      const at_ms = runner.left_ms === undefined
        ? this.#ready(runner)
        : this.#now + runner.left_ms / runner.rate;
      next_ms = Math.min(next_ms, at_ms);
    }
    return next_ms;
  }

  #elapse(until_ms: number): void {
    const passed_ms = until_ms - this.#now;
    this.#now = until_ms;
    for (const runner of this.#runners) {
      if (runner.left_ms === undefined) continue;
      runner.left_ms -= passed_ms * runner.rate;
      // What is left of rounding would make steps of no length.
      if (runner.left_ms > 1e-9 * (1 + until_ms)) continue;
      this.#finish(runner, runner.current!);
      this.#advance(runner);
    }
  }

  #finish({ stage }: Runner, operation: Operation): void {
    if (operation.type === "update" && stage === 0) this.updates.push(this.#now);
    if (
      operation.type !== "forward" && operation.type !== "backward" && operation.type !== "step"
    ) return;
    for (const way of this.#ways[stage]!) {
      if ((operation.type === "forward") !== way.to > stage) continue;
      way.free_ms = Math.max(way.free_ms, this.#now) + way.transfer_ms;
      const arrivals = this.#runners[way.to]!.arrivals.get(stage)!;
      arrivals[operation.microBatch] = way.free_ms + way.latency_ms;
    }
  }
}

/**
 * Time of a batch once the pipeline is full, ms, from following the operations of the schedule.
 * Clusters of more than `FOLLOWED_STAGES_MAX` stages are not followed.
 */
export function timelineOf(cluster: ClusterWork): number {
  const { schedule, micro_batches, update_frequency, stages, in_flight } = cluster;
  const depth = schedule === "async"
    ? Math.ceil(ROUNDS * Math.max(in_flight, stages.length) / micro_batches)
    : SYNCHRONOUS_BATCHES;
  const updates = Math.max(4, Math.ceil(depth / update_frequency));
  const timeline = new Timeline(cluster, updates * update_frequency);
  timeline.run();
  // The first half fills the pipeline; at the very end it runs empty.
  const [first, last] = [Math.floor(updates / 2) - 1, updates - 1];
  const times = timeline.updates;
  return (times[last]! - times[first]!) / ((last - first) * update_frequency);
}
