import { RavnError } from "../error.ts";
import type { ClusterAssessment } from "./clustering.ts";
import { bottleneckTime, cutByMemory, cutByParameters, cutByTime, lackingBytes } from "./cut.ts";
import { coarsePositions, cutPositions, stageCountMax } from "./cut_positions.ts";
import { linkRate } from "./links.ts";
import { GENETIC_MAX } from "./form_clusters.ts";
import type { NodeConfig } from "./node_configs.ts";
import type { PipelineTerms } from "./pipeline_costs.ts";
import { LONG, PipelineLayouts } from "./pipeline_layout.ts";
import type { Objective } from "./plan_schema.ts";
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

/** What a layout is made for. */
export interface LayoutTerms extends Omit<TrainingTerms, "in_flight"> {
  /** Micro-batches under way; `auto`: as many as stages. */
  readonly in_flight: "auto" | number;
  readonly split: Split;
  /** What clusters are formed for; absent: `balance`. */
  readonly objective?: Objective;
  /** Batches whose gradients make one update; 1 unless told. */
  readonly update_frequency?: number;
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
  /** Tables with few positions, by how many. */
  readonly #coarse = new Map<number, RangeTable>();
  readonly #pool: number;
  /** Where clusters are formed for throughput. */
  readonly #pipelines: PipelineLayouts | undefined;
  #table: RangeTable | undefined;
  readonly #assessed = new Map<string, ClusterAssessment>();

  /** @param pool all nodes */
  constructor(workload: Workload, terms: LayoutTerms, pool: readonly NodeConfig[]) {
    this.workload = workload;
    this.#terms = terms;
    this.#pool = pool.length;
    this.size_max = this.#sizeMax(pool.length);
    if (terms.objective === "throughput") {
      if (terms.split !== "time") {
        throw new RavnError(
          `objective throughput goes with "split: time", got "split: ${terms.split}"`,
        );
      }
      this.#pipelines = new PipelineLayouts(pool);
    }
  }

  /** The table by which a cluster is cut: all positions, but for long pipelines of large pools. */
  #tableFor(stages: number): RangeTable {
    if (stages > LONG && this.#pool > GENETIC_MAX) return this.#coarseFor(stages);
    return this.#table ??= new RangeTable(this.workload, cutPositions(this.workload));
  }

  /** A table with few positions, to judge clusters of a size by. */
  #coarseFor(stages: number): RangeTable {
    const { workload, size_max } = this;
    // Large pools have many clusters to judge: each is judged from fewer positions.
    const limit = this.#pool <= GENETIC_MAX
      ? Math.max(this.#pool <= 16 ? 48 : 24, size_max + 8)
      : Math.min(size_max + 8, 16 + 2 ** (1 + Math.ceil(Math.log2(stages))));
    const known = this.#coarse.get(limit) ??
      new RangeTable(workload, coarsePositions(workload, limit));
    this.#coarse.set(limit, known);
    return known;
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

  /** Only several clusters average: then none has all nodes. */
  #clusterTerms(stages: number): PipelineTerms {
    const { averaging_copies = 0 } = this.#terms;
    return {
      ...this.#terms,
      in_flight: this.#inFlight(stages),
      averaging_copies: stages < this.#pool ? averaging_copies : 0,
    };
  }

  #costs(table: RangeTable, nodes: readonly NodeConfig[]): StageCosts {
    return new StageCosts(table, chainOf(nodes), this.#clusterTerms(nodes.length));
  }

  /**
   * Judges a set of nodes as a cluster, from few cut positions. Nodes stand in the order of their
   * ids; where the model does not fit so, in the order of their memory.
   */
  assess(nodes: readonly NodeConfig[]): ClusterAssessment {
    const key = this.#pipelines?.key(nodes) ?? JSON.stringify(chainOf(nodes));
    const known = this.#assessed.get(key);
    if (known !== undefined) return known;
    const assessed = this.#asPipeline(nodes) ?? this.#asBalanced(nodes);
    this.#assessed.set(key, assessed);
    return assessed;
  }

  #asPipeline(nodes: readonly NodeConfig[]): ClusterAssessment | undefined {
    const found = this.#pipelines?.assess(
      this.#coarseFor(nodes.length),
      nodes,
      this.#clusterTerms(nodes.length),
    );
    return found && { lack_mb: 0, time_ms: found.step_ms, parameters_ms: found.parameters_ms };
  }

  #asBalanced(nodes: readonly NodeConfig[]): ClusterAssessment {
    let best: ClusterAssessment = { lack_mb: Infinity, time_ms: 0 };
    for (const order of orders(nodes)) {
      const costs = this.#costs(this.#coarseFor(order.length), order);
      const time_ms = bottleneckTime(costs);
      const lack_mb = time_ms === Infinity ? this.#lacking(costs) / MB : 0;
      if (lack_mb >= best.lack_mb) continue;
      best = { lack_mb, time_ms: time_ms === Infinity ? 0 : time_ms };
      if (lack_mb === 0) break;
    }
    return best;
  }

  /** Bytes that a cluster lacks, which cannot hold the model. */
  #lacking(costs: StageCosts): number {
    if (this.#pool > GENETIC_MAX) return lackingBytes(costs);
    return cutByMemory(costs)?.cost ?? Infinity;
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
    const table = this.#tableFor(nodes.length);
    if (this.#pipelines !== undefined) {
      const terms = this.#clusterTerms(nodes.length);
      const tables = { coarse: this.#coarseFor(nodes.length), all: table };
      const found = this.#pipelines.layOut(tables, nodes, terms, isFixed);
      if (found !== undefined) {
        const borders = found.begins.map((begin) => table.positions.indexOf(begin));
        return this.#laidOut(found.nodes, borders, table);
      }
    }
    for (const order of isFixed ? [nodes] : orders(nodes)) {
      const borders = this.#borders(this.#costs(table, order));
      if (borders !== undefined) return this.#laidOut(order, borders, table);
    }
    throw this.#tooSmall(nodes, advice);
  }

  #laidOut(
    nodes: readonly NodeConfig[],
    borders: readonly number[],
    table: RangeTable,
  ): ClusterLayout {
    const costs = this.#costs(table, nodes);
    return {
      nodes,
      in_flight: this.#inFlight(nodes.length),
      begins: borders.map((border) => table.positions[border]!),
      stages: nodes.map((_, s) => ({
        ...costs.forecast(s, borders[s]!, borders[s + 1]!),
        outstanding: costs.outstanding(s),
      })),
    };
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
    const costs = this.#costs(this.#coarseFor(nodes.length), nodes);
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
      memory: costs.forecast(s, cut.borders[s]!, cut.borders[s + 1]!).memory,
    }));
    if (cut.cost === 0) {
      return new RavnError(
        `${where}: ${what} does not fit when cut by "split: ${this.#terms.split}": ` +
          `use "split: time"`,
      );
    }
    const needed = lacks.reduce((sum, lack) => sum + lack.memory.total, 0);
    const available = nodes.reduce((sum, node) => sum + node.ram_gb * 1024 * MB, 0);
    const worst = lacks.reduce((a, b) => b.bytes > a.bytes ? b : a);
    const copies = worst.memory.averaging;
    const averaging = copies === 0
      ? ""
      : `, and averaging with other clusters takes ${megabytes(copies)} of it`;
    return new RavnError(
      `${where}: not enough memory: ${what} needs ${megabytes(needed)}, available are ` +
        `${megabytes(available)} (${worst.node.name} lacks ${
          megabytes(worst.bytes)
        }${averaging}): ` +
        advice,
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
