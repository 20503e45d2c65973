import { outstanding } from "../../pipeline/mod.ts";
import { cutPositions } from "../cut_positions.ts";
import { connectionRate, wayBetween } from "../links.ts";
import { stageMemory } from "../memory.ts";
import type { NodeConfig } from "../node_configs.ts";
import type { PipelineTerms } from "../pipeline_costs.ts";
import type { RangeLoad } from "../ranges.ts";
import { stageMemoryTerms } from "../stage_costs.ts";
import { transferTime } from "../transfer.ts";
import { updateTime } from "../update_time.ts";
import type { Workload } from "../workload.ts";
import { loadOf } from "./brute_force.ts";

/** A stage that has its node and its range, but not yet the node before it. */
interface Head {
  readonly node: NodeConfig;
  readonly next: NodeConfig | undefined;
  readonly from: number;
  readonly to: number;
}

/** Tries every order of nodes and every cut, and leaves out only what is slower than the best. */
export class BrutePipelines {
  readonly #terms: PipelineTerms;
  readonly #positions: readonly number[];
  readonly #loads = new Map<number, RangeLoad>();
  #best_ms = Infinity;
  #stages = 0;

  constructor(workload: Workload, terms: PipelineTerms) {
    this.#terms = terms;
    this.#positions = cutPositions(workload);
    const end = this.#positions.length - 1;
    for (let from = 0; from < end; from++) {
      for (let to = from + 1; to <= end; to++) {
        const load = loadOf(workload, this.#positions[from]!, this.#positions[to]!);
        this.#loads.set(from * 1000 + to, load);
      }
    }
  }

  /** The least time of a batch on these nodes, ms; Infinity where nothing fits. */
  fastest(nodes: readonly NodeConfig[]): number {
    this.#best_ms = Infinity;
    this.#stages = nodes.length;
    const end = this.#positions.length - 1;
    for (const node of nodes) {
      const rest = nodes.filter((other) => other !== node);
      for (let from = rest.length; from < end; from++) {
        this.#extend({ node, next: undefined, from, to: end }, rest, 0, 0);
      }
    }
    return this.#best_ms;
  }

  /** @param pace_ms, trip_ms of the stages behind `head` */
  #extend(head: Head, rest: readonly NodeConfig[], pace_ms: number, trip_ms: number): void {
    const { from } = head;
    if (rest.length === 0 && from > 0) return;
    if (rest.length > 0 && from < rest.length) return;
    for (const previous of rest.length === 0 ? [undefined] : rest) {
      const { cost_ms, way_ms } = this.#judge(head, rest.length, previous);
      const inFlight = this.#terms.in_flight;
      const position = {
        schedule: this.#terms.schedule,
        stage: rest.length,
        stages: this.#stages,
        inFlight,
      };
      const trip = trip_ms + way_ms;
      const window = outstanding(position, this.#terms.micro_batches);
      const pace = Math.max(pace_ms, cost_ms, trip / window);
      const step_ms = this.#step(pace, trip);
      if (!(step_ms < this.#best_ms)) continue;
      if (previous === undefined) {
        this.#best_ms = step_ms;
        continue;
      }
      const others = rest.filter((node) => node !== previous);
      for (let at = from - 1; at >= others.length; at--) {
        this.#extend({ node: previous, next: head.node, from: at, to: from }, others, pace, trip);
      }
    }
  }

  #step(pace_ms: number, trip_ms: number): number {
    const { schedule, micro_batches } = this.#terms;
    return schedule === "async" ? micro_batches * pace_ms : trip_ms + (micro_batches - 1) * pace_ms;
  }

  #judge({ node, next, from, to }: Head, stage: number, previous: NodeConfig | undefined) {
    const load = this.#loads.get(from * 1000 + to)!;
    const terms = this.#terms;
    const { schedule, in_flight, micro_batches, update_frequency = 1 } = terms;
    const position = { schedule, stage, stages: this.#stages, inFlight: in_flight };
    const memory = stageMemoryTerms(position, terms);
    const modes = next === undefined || terms.recompute === "off"
      ? [false]
      : terms.recompute === "on"
      ? [true]
      : [false, true];
    const ram = node.ram_gb * 2 ** 30;
    const mode = modes.find((recompute) => stageMemory(load, memory, recompute).total <= ram);
    if (mode === undefined || load.parameter_count === 0) {
      return { cost_ms: Infinity, way_ms: Infinity };
    }
    const forward_ms = (mode ? 2 : 1) * load.forward_ms;
    const computed = (forward_ms + load.backward_ms) / node.speed;
    const update = load.parameter_count * updateTime(terms.optimizer_slots) / 1e6 / node.speed;
    const busy = computed + update / (micro_batches * update_frequency);
    const costs = [busy];
    let way_ms = schedule === "async" ? computed : busy;
    let [out, into] = [0, 0];
    if (previous !== undefined) {
      const there = wayBetween(previous, node), back = wayBetween(node, previous);
      const forth_ms = transferTime(load.received, there.bandwidth_mbps);
      const back_ms = transferTime(load.gradients_sent, back.bandwidth_mbps);
      costs.push(forth_ms, back_ms);
      way_ms += forth_ms + back_ms + there.latency_ms + back.latency_ms;
      if (!there.isLocal) {
        into += load.received;
        out += load.gradients_sent;
      }
    }
    if (next !== undefined && !wayBetween(node, next).isLocal) {
      out += load.sent;
      into += load.gradients_received;
    }
    costs.push(transferTime(Math.max(out, into), connectionRate(node)));
    return { cost_ms: Math.max(...costs), way_ms };
  }
}
