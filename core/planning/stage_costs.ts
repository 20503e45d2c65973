import { deferred, outstanding, splitsBackward } from "../pipeline/mod.ts";
import type { Schedule, StagePosition } from "../pipeline/mod.ts";
import { stageMemory, stageMemoryTotal } from "./memory.ts";
import type { MemoryBreakdown, StageMemoryTerms } from "./memory.ts";
import { RangeLoad } from "./ranges.ts";
import type { RangeTable } from "./ranges.ts";
import { transferTime } from "./transfer.ts";
import { updateTime } from "./update_time.ts";

/** What planning must know of the training besides the model. */
export interface TrainingTerms {
  readonly schedule: Schedule;
  /** Micro-batches under way in the whole pipeline, at most. */
  readonly in_flight: number;
  /** Micro-batches of one batch (synchronous schedules). */
  readonly micro_batches: number;
  /** Optimizer state tensors for each parameter: Adam 2, SGD with momentum 1, plain SGD 0. */
  readonly optimizer_slots: number;
  /** Whether backward computes the activations again: `auto` where they do not fit otherwise. */
  readonly recompute: "auto" | "on" | "off";
  /** Copies of the parameters that averaging with other clusters needs; absent: none. */
  readonly averaging_copies?: number;
}

/** A machine that is to hold a stage. */
export interface StageNode {
  /** Compute speed relative to the machine on which operators were timed. */
  readonly speed: number;
  readonly ram_bytes: number;
}

/** Machines in the order of the pipeline, and the links between neighbours. */
export interface Chain {
  readonly nodes: readonly StageNode[];
  /** Mbit/s between node s and node s + 1. */
  readonly links_mbps: readonly number[];
}

/** What planning expects of a stage. */
export interface StageForecast {
  readonly memory: MemoryBreakdown;
  readonly recompute: boolean;
  /** Times for one micro-batch, ms; a recomputed forward belongs to backward. */
  readonly forward_ms: number;
  readonly backward_ms: number;
  readonly traffic_ms: number;
  /** The optimizer's update, ms. */
  readonly update_ms: number;
  /** Activations and gradients that it sends for one micro-batch, once per value, bytes. */
  readonly bytes_sent: number;
}

/** How often the stage at a position holds what it computes with. */
export function stageMemoryTerms(
  position: StagePosition,
  { micro_batches, optimizer_slots, averaging_copies = 0 }: Omit<TrainingTerms, "in_flight">,
): StageMemoryTerms {
  const depth = outstanding(position, micro_batches);
  return {
    outstanding: depth + deferred(position, micro_batches),
    // The first stage makes all gradients at one go.
    deferred: splitsBackward(position) && position.stage > 0
      ? deferred(position, micro_batches) + 1
      : 0,
    // Only the asynchronous schedule updates weights while micro-batches are under way.
    versions: position.schedule === "async" ? depth : 1,
    optimizer_slots,
    averaging_copies,
  };
}

/**
 * Time and memory of any range of a table as any stage of a chain.
 *
 * Time of a stage = (forward + backward) / speed + traffic. Traffic is the busier direction of its
 * links: what it sends (activations on, gradients back) or what it receives. All that crosses the
 * front border goes at the speed of the link to the neighbour before, skip tensors too; a value
 * that several later stages read counts once where it is sent and again wherever it is received.
 */
export class StageCosts {
  readonly table: RangeTable;
  readonly chain: Chain;
  readonly #terms: readonly StageMemoryTerms[];
  readonly #recompute: readonly (readonly boolean[])[];
  readonly #outstanding: readonly number[];
  readonly #update_ns: number;
  readonly #load = new RangeLoad();

  constructor(table: RangeTable, chain: Chain, terms: TrainingTerms) {
    this.table = table;
    this.chain = chain;
    const stages = chain.nodes.length;
    this.#terms = chain.nodes.map((_, stage) => {
      const { schedule, in_flight } = terms;
      const position = { schedule, stage, stages, inFlight: in_flight };
      return stageMemoryTerms(position, terms);
    });
    this.#outstanding = chain.nodes.map((_, stage) =>
      outstanding(
        { schedule: terms.schedule, stage, stages, inFlight: terms.in_flight },
        terms.micro_batches,
      )
    );
    this.#update_ns = updateTime(terms.optimizer_slots);
    this.#recompute = chain.nodes.map((_, stage) => {
      // The last stage goes straight from forward to backward: it has nothing to compute again.
      if (terms.recompute === "off" || stage === stages - 1) return [false];
      return terms.recompute === "on" ? [true] : [false, true];
    });
  }

  get stages(): number {
    return this.chain.nodes.length;
  }

  /** Micro-batches that stage `stage` has forwarded and not yet brought back, at most. */
  outstanding(stage: number): number {
    return this.#outstanding[stage]!;
  }

  /** Whether the range just read must recompute to fit; undefined where it does not fit at all. */
  #mode(stage: number): boolean | undefined {
    const { ram_bytes } = this.chain.nodes[stage]!;
    const terms = this.#terms[stage]!;
    for (const recompute of this.#recompute[stage]!) {
      if (stageMemoryTotal(this.#load, terms, recompute) <= ram_bytes) return recompute;
    }
    return undefined;
  }

  #trafficTime(stage: number): number {
    const { received, gradients_sent, sent, gradients_received } = this.#load;
    const before = this.chain.links_mbps[stage - 1] ?? Infinity;
    const after = this.chain.links_mbps[stage] ?? Infinity;
    const out = transferTime(sent, after) + transferTime(gradients_sent, before);
    const into = transferTime(received, before) + transferTime(gradients_received, after);
    return Math.max(out, into);
  }

  /** Time of the stage, ms; Infinity where it has no trainable parameter or does not fit. */
  time(stage: number, from: number, to: number): number {
    if (this.table.trained(from, to) === 0) return Infinity;
    this.table.read(from, to, this.#load);
    const recompute = this.#mode(stage);
    if (recompute === undefined) return Infinity;
    const { forward_ms, backward_ms } = this.#load;
    const computed = (recompute ? 2 : 1) * forward_ms + backward_ms;
    return computed / this.chain.nodes[stage]!.speed + this.#trafficTime(stage);
  }

  /** Computing time without recompute, ms: it does not fall as the range grows. */
  computeTime(stage: number, from: number, to: number): number {
    const computed = this.table.forward(from, to) + this.table.backward(from, to);
    return computed / this.chain.nodes[stage]!.speed;
  }

  /** Bytes that cross the stage's front border: activations in, gradients back. */
  traffic(from: number, to: number): number {
    this.table.read(from, to, this.#load);
    return this.#load.received + this.#load.gradients_sent;
  }

  /** Bytes that the stage lacks; Infinity where it has no trainable parameter. */
  overflow(stage: number, from: number, to: number): number {
    if (this.table.trained(from, to) === 0) return Infinity;
    this.table.read(from, to, this.#load);
    let least = Infinity;
    for (const mode of this.#recompute[stage]!) {
      least = Math.min(least, stageMemoryTotal(this.#load, this.#terms[stage]!, mode));
    }
    return Math.max(0, least - this.chain.nodes[stage]!.ram_bytes);
  }

  /** Everything about the range as stage `stage`; where nothing fits, with the least memory. */
  forecast(stage: number, from: number, to: number): StageForecast {
    const load = new RangeLoad();
    this.table.read(from, to, load);
    this.table.read(from, to, this.#load);
    const terms = this.#terms[stage]!;
    const modes = this.#recompute[stage]!.map((recompute) => ({
      recompute,
      memory: stageMemory(load, terms, recompute),
    }));
    const fitting = this.#mode(stage);
    const { recompute, memory } = modes.find((mode) => mode.recompute === fitting) ??
      modes.reduce((a, b) => b.memory.total < a.memory.total ? b : a);
    const { speed } = this.chain.nodes[stage]!;
    return {
      memory,
      recompute,
      forward_ms: load.forward_ms / speed,
      backward_ms: (load.backward_ms + (recompute ? load.forward_ms : 0)) / speed,
      traffic_ms: this.#trafficTime(stage),
      update_ms: (load.parameter_count * this.#update_ns) / 1e6 / speed,
      bytes_sent: load.sent + load.gradients_sent,
    };
  }
}
