import { RavnError } from "../error.ts";
import { sameHost } from "./address.ts";
import type { ClusterAssessment } from "./clustering.ts";
import { bottleneckTime, cutByMemory, cutByParameters, cutByTime } from "./cut.ts";
import { coarsePositions, cutPositions, stageCountMax } from "./cut_positions.ts";
import type { NodeConfig } from "./node_configs.ts";
import { RangeTable } from "./ranges.ts";
import { ravnestCut } from "./ravnest_cut.ts";
import { StageCosts } from "./stage_costs.ts";
import type { Chain, StageForecast, TrainingTerms } from "./stage_costs.ts";
import type { Workload } from "./workload.ts";

/**
 * How the model is cut: `time` balances the stages' times, `params` their trainable parameters,
 * `ravnest` takes the equal shares of Ravnest.
 */
export type Split = "time" | "params" | "ravnest";

/** Rate of a link within one machine, Mbit/s. */
export const LOCAL_MBPS = 10_000;

/** What a layout is made for. */
export interface LayoutTerms extends Omit<TrainingTerms, "in_flight"> {
  /** Micro-batches under way; `auto`: as many as stages. */
  readonly in_flight: "auto" | number;
  readonly split: Split;
  /** Name of the nodes' file, for error messages. */
  readonly nodes_file: string;
}

/** A cluster, cut. */
export interface ClusterLayout {
  /** Nodes in the order of the pipeline. */
  readonly nodes: readonly NodeConfig[];
  readonly in_flight: number;
  /** Index of the first operator of each stage, and the number of operators. */
  readonly begins: readonly number[];
  readonly stages: readonly (StageForecast & { readonly outstanding: number })[];
}

const MB = 2 ** 20;

/** `812 MB`, `1.5 MB` */
export function megabytes(bytes: number): string {
  const mb = bytes / MB;
  return `${mb < 10 ? Number(mb.toPrecision(2)) : Math.ceil(mb)} MB`;
}

function byRam(order: 1 | -1): (a: NodeConfig, b: NodeConfig) => number {
  return (a, b) => order * (a.ram_gb - b.ram_gb) || a.id - b.id;
}

/** Arranges nodes into pipelines and cuts the model for them. */
export class Layouts {
  readonly workload: Workload;
  /** The largest cluster for which the model can be cut. */
  readonly size_max: number;
  readonly #terms: LayoutTerms;
  readonly #coarse: RangeTable;
  #table: RangeTable | undefined;
  readonly #assessed = new Map<string, ClusterAssessment>();

  /** @param nodes number of nodes in the pool */
  constructor(workload: Workload, terms: LayoutTerms, nodes: number) {
    this.workload = workload;
    this.#terms = terms;
    this.size_max = this.#sizeMax(nodes);
    // Large pools have many clusters to judge: each is judged from fewer positions.
    const limit = Math.max(nodes <= 16 ? 48 : 24, this.size_max + 8);
    this.#coarse = new RangeTable(workload, coarsePositions(workload, limit));
  }

  #sizeMax(nodes: number): number {
    const most = Math.min(nodes, stageCountMax(this.workload));
    if (this.#terms.split !== "ravnest") return most;
    for (let stages = 1; stages <= most; stages++) {
      try {
        ravnestCut(this.workload, stages);
      } catch (thrown) {
        if (thrown instanceof RavnError) return stages - 1;
        throw thrown;
      }
    }
    return most;
  }

  #inFlight(stages: number): number {
    return this.#terms.in_flight === "auto" ? stages : this.#terms.in_flight;
  }

  #costs(table: RangeTable, nodes: readonly NodeConfig[]): StageCosts {
    return new StageCosts(table, chainOf(nodes), {
      ...this.#terms,
      in_flight: this.#inFlight(nodes.length),
    });
  }

  /**
   * Judges a set of nodes as a cluster, from few cut positions. Nodes stand in the order of their
   * ids; where the model does not fit so, in the order of their memory.
   */
  assess(nodes: readonly NodeConfig[]): ClusterAssessment {
    const key = JSON.stringify(chainOf(nodes));
    const known = this.#assessed.get(key);
    if (known !== undefined) return known;
    let best: ClusterAssessment = { lack_mb: Infinity, time_ms: 0 };
    for (const order of orders(nodes)) {
      const costs = this.#costs(this.#coarse, order);
      const time_ms = bottleneckTime(costs);
      const lack_mb = time_ms === Infinity ? (cutByMemory(costs)?.cost ?? Infinity) / MB : 0;
      if (lack_mb >= best.lack_mb) continue;
      best = { lack_mb, time_ms: time_ms === Infinity ? 0 : time_ms };
      if (lack_mb === 0) break;
    }
    this.#assessed.set(key, best);
    return best;
  }

  /**
   * Cuts the model for a cluster.
   *
   * @param isFixed true where the order of the nodes was given, and must be kept
   * @param advice what the user can do where the memory does not suffice
   * @throws {RavnError} where the model does not fit
   */
  layOut(
    nodes: readonly NodeConfig[],
    { isFixed, advice }: { readonly isFixed: boolean; readonly advice: string },
  ): ClusterLayout {
    this.#table ??= new RangeTable(this.workload, cutPositions(this.workload));
    for (const order of isFixed ? [nodes] : orders(nodes)) {
      const costs = this.#costs(this.#table, order);
      const borders = this.#borders(costs);
      if (borders === undefined) continue;
      const { positions } = this.#table;
      return {
        nodes: order,
        in_flight: this.#inFlight(order.length),
        begins: borders.map((border) => positions[border]!),
        stages: order.map((_, s) => ({
          ...costs.forecast(s, borders[s]!, borders[s + 1]!),
          outstanding: costs.outstanding(s),
        })),
      };
    }
    throw this.#tooSmall(nodes, advice);
  }

  /** Borders by position of the table, or undefined where the stages do not fit. */
  #borders(costs: StageCosts): readonly number[] | undefined {
    switch (this.#terms.split) {
      case "time":
        return cutByTime(costs)?.borders;
      case "params":
        return cutByParameters(costs)?.borders;
      case "ravnest": {
        const begins = ravnestCut(this.workload, costs.stages);
        const borders = begins.map((begin) => costs.table.positions.indexOf(begin));
        const fits = borders.slice(1).every((to, s) => costs.overflow(s, borders[s]!, to) === 0);
        return fits ? borders : undefined;
      }
    }
  }

  #tooSmall(nodes: readonly NodeConfig[], advice: string): RavnError {
    const costs = this.#costs(this.#coarse, nodes);
    const cut = cutByMemory(costs);
    const where = this.#terms.nodes_file;
    const names = nodes.map(({ name }) => name);
    const who = names.length <= 4 ? names.join(", ") : `${names[0]} … ${names.at(-1)}`;
    const what = `training in ${nodes.length} stage${nodes.length === 1 ? "" : "s"} on ${who} ` +
      `with micro-batches of ${this.workload.batch}`;
    if (cut === undefined) return new RavnError(`${where}: ${what} does not fit: ${advice}`);
    const lacks = nodes.map((node, s) => ({
      node,
      bytes: costs.overflow(s, cut.borders[s]!, cut.borders[s + 1]!),
      needed: costs.forecast(s, cut.borders[s]!, cut.borders[s + 1]!).memory.total,
    }));
    if (cut.cost === 0) {
      return new RavnError(
        `${where}: ${what} does not fit when cut by "split: ${this.#terms.split}": ` +
          `use "split: time"`,
      );
    }
    const needed = lacks.reduce((sum, lack) => sum + lack.needed, 0);
    const available = nodes.reduce((sum, node) => sum + node.ram_gb * 1024 * MB, 0);
    const worst = lacks.reduce((a, b) => b.bytes > a.bytes ? b : a);
    return new RavnError(
      `${where}: not enough memory: ${what} needs ${megabytes(needed)}, available are ` +
        `${megabytes(available)} (${worst.node.name} lacks ${megabytes(worst.bytes)}): ${advice}`,
    );
  }
}

/** The orders to try: ids first, then memory falling (early stages keep most), then rising. */
function orders(nodes: readonly NodeConfig[]): (readonly NodeConfig[])[] {
  const all = [nodes, nodes.toSorted(byRam(-1)), nodes.toSorted(byRam(1))];
  const keys = all.map((order) => order.map(({ id }) => id).join());
  return all.filter((_, i) => keys.indexOf(keys[i]!) === i);
}

function chainOf(nodes: readonly NodeConfig[]): Chain {
  return {
    nodes: nodes.map(({ speed, ram_gb }) => ({ speed, ram_bytes: ram_gb * 1024 * MB })),
    links_mbps: nodes.slice(1).map((node, i) => linkRate(nodes[i]!, node)),
  };
}

/** A link is as fast as its slower end; within one machine no network is in the way. */
function linkRate(a: NodeConfig, b: NodeConfig): number {
  if (sameHost(a.address, b.address)) return LOCAL_MBPS;
  return Math.min(a.bandwidth_mbps, b.bandwidth_mbps);
}
