import { outstanding } from "../pipeline/mod.ts";
import { connectionRate, wayBetween } from "./links.ts";
import { stageMemoryTotal } from "./memory.ts";
import type { StageMemoryTerms } from "./memory.ts";
import type { NodeConfig } from "./node_configs.ts";
import { RangeLoad } from "./ranges.ts";
import type { RangeTable } from "./ranges.ts";
import { stageMemoryTerms } from "./stage_costs.ts";
import type { TrainingTerms } from "./stage_costs.ts";
import { transferTime } from "./transfer.ts";
import { updateTime } from "./update_time.ts";

/** What the speed of a pipeline depends on besides its nodes and the model. */
export interface PipelineTerms extends TrainingTerms {
  /** Batches whose gradients make one update; 1 unless told. */
  readonly update_frequency?: number;
}

const GB = 2 ** 30;

/**
 * What a stage costs on any node, after any other: for the search of the order and the cut by which
 * a cluster trains most samples a second. Nodes are named by their place in `nodes`.
 *
 * With overlapping traffic a stage takes, for each micro-batch, the longest of
 * - computing: (forward + backward) / speed, and its share of the update,
 * - the link from the stage before, forth and back, which carries all that crosses the border,
 * - its own connection, out and in, where the neighbours lie on other machines.
 */
export class PipelineCosts {
  readonly table: RangeTable;
  readonly nodes: readonly NodeConfig[];
  /** Compute speeds, less where nodes share too few cores. */
  readonly speeds: Float64Array;
  /** Time of the way forth and back that `cost` has read last, ms. */
  trip_ms = 0;
  readonly terms: PipelineTerms;
  readonly #memory: readonly StageMemoryTerms[];
  readonly #windows: readonly number[];
  readonly #recompute: readonly (readonly boolean[])[];
  readonly #ram: Float64Array;
  readonly #connections: Float64Array;
  readonly #rates: Float64Array;
  readonly #latencies: Float64Array;
  readonly #remote: Uint8Array;
  readonly #update_ms: number;
  readonly #kinds: Int32Array;
  readonly #load = new RangeLoad();

  /** @param shares of a core that each node gets, at most 1: less where cores are too few */
  constructor(
    table: RangeTable,
    nodes: readonly NodeConfig[],
    terms: PipelineTerms,
    shares: readonly number[],
  ) {
    this.table = table;
    this.nodes = nodes;
    this.terms = terms;
    const stages = nodes.length;
    const { schedule, in_flight, micro_batches, update_frequency = 1, optimizer_slots } = terms;
    const positions = nodes.map((_, stage) => ({ schedule, stage, stages, inFlight: in_flight }));
    this.#windows = positions.map((position) => outstanding(position, micro_batches));
    this.#memory = positions.map((position) => stageMemoryTerms(position, terms));
    this.#recompute = positions.map(({ stage }) => {
      if (terms.recompute === "off" || stage === stages - 1) return [false];
      return terms.recompute === "on" ? [true] : [false, true];
    });
    this.speeds = Float64Array.from(nodes, ({ speed }, i) => speed * shares[i]!);
    this.#ram = Float64Array.from(nodes, ({ ram_gb }) => ram_gb * GB);
    this.#connections = Float64Array.from(nodes, connectionRate);
    this.#rates = new Float64Array(stages * stages);
    this.#latencies = new Float64Array(stages * stages);
    this.#remote = new Uint8Array(stages * stages);
    nodes.forEach((a, i) =>
      nodes.forEach((b, j) => {
        if (i === j) return;
        const { bandwidth_mbps, latency_ms, isLocal } = wayBetween(a, b);
        this.#rates[i * stages + j] = bandwidth_mbps;
        this.#latencies[i * stages + j] = latency_ms;
        this.#remote[i * stages + j] = isLocal ? 0 : 1;
      })
    );
    this.#kinds = Int32Array.from(nodes.keys());
    for (let node = 0; node < stages; node++) {
      for (let other = 0; other < node; other++) {
        if (this.#kinds[other] !== other || !this.#alike(other, node)) continue;
        this.#kinds[node] = other;
        break;
      }
    }
    this.#update_ms = updateTime(optimizer_slots) / 1e6 / (micro_batches * update_frequency);
  }

  get stages(): number {
    return this.nodes.length;
  }

  /** Number of cut positions. */
  get positions(): number {
    return this.table.positions.length;
  }

  /** Micro-batches that stage `stage` lets under way behind it. */
  window(stage: number): number {
    return this.#windows[stage]!;
  }

  /** 1 where a network lies between two nodes, 0 where not. */
  remote(a: number, b: number): number {
    return this.#remote[a * this.stages + b]!;
  }

  /** What a byte takes there and back between two nodes, and the latencies: less is nearer. */
  linkTime(a: number, b: number): number {
    const n = this.stages;
    return 1 / this.#rates[a * n + b]! + 1 / this.#rates[b * n + a]! +
      this.#latencies[a * n + b]! + this.#latencies[b * n + a]!;
  }

  /** The first node that can be exchanged with this one and nothing changes. */
  kind(node: number): number {
    return this.#kinds[node]!;
  }

  #alike(a: number, b: number): boolean {
    const n = this.stages;
    if (
      this.speeds[a] !== this.speeds[b] || this.#ram[a] !== this.#ram[b] ||
      this.#connections[a] !== this.#connections[b]
    ) return false;
    const same = (i: number, j: number) =>
      this.#rates[i] === this.#rates[j] && this.#latencies[i] === this.#latencies[j] &&
      this.#remote[i] === this.#remote[j];
    for (let c = 0; c < n; c++) {
      if (c === a || c === b) continue;
      if (!same(a * n + c, b * n + c) || !same(c * n + a, c * n + b)) return false;
    }
    return same(a * n + b, b * n + a);
  }

  /** Computing time on a node, recompute and update apart, ms: it does not fall with the range. */
  computeTime(node: number, from: number, to: number): number {
    return (this.table.forward(from, to) + this.table.backward(from, to)) / this.speeds[node]!;
  }

  /**
   * Time of a stage for one micro-batch, ms; Infinity where it has no trainable parameter or does
   * not fit. `trip_ms` then is what the stage and the link before it add to the way of a
   * micro-batch to the last stage and back.
   *
   * @param previous node of the stage before, -1 for none
   * @param nextRemote 1 where a network lies between this node and the next, otherwise 0
   */
  cost(
    stage: number,
    node: number,
    previous: number,
    nextRemote: number,
    from: number,
    to: number,
  ): number {
    if (this.table.trained(from, to) === 0) return Infinity;
    const load = this.#load;
    this.table.read(from, to, load);
    const memory = this.#memory[stage]!, ram = this.#ram[node]!;
    let factor = 0;
    for (const recompute of this.#recompute[stage]!) {
      if (stageMemoryTotal(load, memory, recompute) > ram) continue;
      factor = recompute ? 2 : 1;
      break;
    }
    if (factor === 0) return Infinity;
    const speed = this.speeds[node]!;
    const computed = (factor * load.forward_ms + load.backward_ms) / speed;
    const busy = computed + (load.parameter_count * this.#update_ms) / speed;
    this.trip_ms = this.terms.schedule === "async" ? computed : busy;
    let longest = busy;
    let previousRemote = 0;
    if (previous >= 0) {
      const n = this.stages;
      const forth = transferTime(load.received, this.#rates[previous * n + node]!);
      const back = transferTime(load.gradients_sent, this.#rates[node * n + previous]!);
      this.trip_ms += forth + back + this.#latencies[previous * n + node]! +
        this.#latencies[node * n + previous]!;
      longest = Math.max(longest, forth, back);
      previousRemote = this.#remote[previous * n + node]!;
    }
    const out = nextRemote * load.sent + previousRemote * load.gradients_sent;
    const into = previousRemote * load.received + nextRemote * load.gradients_received;
    return Math.max(longest, transferTime(Math.max(out, into), this.#connections[node]!));
  }

  /** Parameter bytes between two positions over the connection of a node, ms. */
  parameterTime(node: number, from: number, to: number): number {
    return transferTime(4 * this.table.elements(from, to), this.#connections[node]!);
  }
}
