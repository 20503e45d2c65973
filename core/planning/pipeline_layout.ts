import { hostCores, hostNames } from "./cluster_work.ts";
import { judgeChain, stepTime } from "./pipeline_chain.ts";
import { PipelineCosts } from "./pipeline_costs.ts";
import type { PipelineTerms } from "./pipeline_costs.ts";
import { cutPipeline, QUICK, searchPipeline, THOROUGH } from "./pipeline_search.ts";
import type { SearchEffort } from "./pipeline_search.ts";
import { GENETIC_MAX } from "./form_clusters.ts";
import { ALL_CLUSTERINGS_MAX } from "./clustering.ts";
import type { NodeConfig } from "./node_configs.ts";
import { RangeTable } from "./ranges.ts";

/** Gains below this share are not looked for once the order of the nodes is decided. */
const CUT_TOLERANCE = 1e-6;
/** The same for long pipelines, whose stages are a few operators each, and for large pools. */
const LARGE_TOLERANCE = 0.005;
/** Stages of a pipeline that counts as long. */
export const LONG = 64;

/** For the many clusters of a large pool. */
const MANY: SearchEffort = { ...THOROUGH, tolerance: 0.005, probes: 60, isExact: false };

/** What a set of nodes does as a pipeline. */
export interface PipelineAssessment {
  /** Time of a batch, ms. */
  readonly step_ms: number;
  /** Time in which the busiest connection carries the parameters of its stage once, ms. */
  readonly parameters_ms: number;
}

/** A cluster in the order of its pipeline, cut. */
export interface PipelineLayout {
  readonly nodes: readonly NodeConfig[];
  /** Index of the first operator of each stage, and the number of operators. */
  readonly begins: readonly number[];
}

/** Cut positions on either side of a border that are tried for a cluster of a large pool. */
const NEARBY = 8;

/** A table of the positions near the borders of a cut alone. */
function tableNear({ workload, positions }: RangeTable, begins: readonly number[]): RangeTable {
  const near = new Set([0, positions.length - 1]);
  for (const begin of begins) {
    const at = positions.indexOf(begin);
    for (let p = Math.max(0, at - NEARBY); p <= at + NEARBY && p < positions.length; p++) {
      near.add(p);
    }
  }
  return new RangeTable(workload, [...near].sort((a, b) => a - b).map((p) => positions[p]!));
}

/** Pipelines of most samples a second, for sets of nodes of a pool. */
export class PipelineLayouts {
  /** Share of its speed that each node of the pool gets. */
  readonly #shares: readonly number[];
  readonly #hosts: readonly string[];
  readonly #effort: SearchEffort;
  readonly #isMeasured: boolean;

  constructor(pool: readonly NodeConfig[]) {
    this.#hosts = hostNames(pool);
    this.#effort = pool.length <= ALL_CLUSTERINGS_MAX ? { ...THOROUGH, tolerance: 0.002 } : QUICK;
    this.#isMeasured = pool.some(({ links }) => links !== undefined);
    const cores = hostCores(pool);
    const count = Map.groupBy(this.#hosts, (host) => host);
    this.#shares = this.#hosts.map((host) =>
      Math.min(1, (cores.get(host) ?? Infinity) / count.get(host)!.length)
    );
  }

  #costs(table: RangeTable, nodes: readonly NodeConfig[], terms: PipelineTerms): PipelineCosts {
    return new PipelineCosts(table, nodes, terms, nodes.map(({ id }) => this.#shares[id]!));
  }

  /** A text that is equal for sets of nodes that are equally fast. */
  key(nodes: readonly NodeConfig[]): string {
    if (this.#isMeasured) return nodes.map(({ id }) => id).join();
    const hosts = new Map<string, number>();
    return nodes.map(({ id, speed, ram_gb, bandwidth_mbps }) => {
      const host = this.#hosts[id]!;
      if (!hosts.has(host)) hosts.set(host, hosts.size);
      return `${speed * this.#shares[id]!} ${ram_gb} ${bandwidth_mbps} ${hosts.get(host)}`;
    }).join();
  }

  /** @returns undefined where no order fits that was tried */
  assess(
    table: RangeTable,
    nodes: readonly NodeConfig[],
    terms: PipelineTerms,
  ): PipelineAssessment | undefined {
    const costs = this.#costs(table, nodes, terms);
    const chain = searchPipeline(costs, this.#effort);
    if (chain === undefined) return undefined;
    const { order, borders } = chain;
    const times = order.map((node, s) => costs.parameterTime(node, borders[s]!, borders[s + 1]!));
    return { step_ms: stepTime(costs, chain), parameters_ms: Math.max(...times) };
  }

  /**
   * The fastest order, found with few positions, and the fastest cut for it at all positions; in a
   * large pool at those near the cut that was found.
   *
   * @param isFixed true where the order of the nodes was given, and must be kept
   * @returns undefined where nothing fits
   */
  layOut(
    { coarse, all }: { readonly coarse: RangeTable; readonly all: RangeTable },
    nodes: readonly NodeConfig[],
    terms: PipelineTerms,
    isFixed: boolean,
  ): PipelineLayout | undefined {
    const isLarge = nodes.length > LONG || this.#shares.length > GENETIC_MAX;
    const found = isFixed
      ? undefined
      : searchPipeline(this.#costs(coarse, nodes, terms), this.#layoutEffort(nodes.length));
    const begins = found?.borders.map((border) => coarse.positions[border]!);
    const table = isLarge && begins !== undefined ? tableNear(all, begins) : all;
    const costs = this.#costs(table, nodes, terms);
    const at = (begin: number) => table.positions.indexOf(begin);
    const known = found && judgeChain(costs, found.order, begins!.map(at));
    const tolerance = isLarge ? LARGE_TOLERANCE : CUT_TOLERANCE;
    const order = found?.order ?? [...nodes.keys()];
    const chain = cutPipeline(costs, order, { tolerance, known });
    if (chain === undefined) return undefined;
    return {
      nodes: chain.order.map((node) => nodes[node]!),
      begins: chain.borders.map((border) => table.positions[border]!),
    };
  }

  /** Of many clusters, or long ones, fewer orders are tried. */
  #layoutEffort(stages: number): SearchEffort {
    const effort = this.#shares.length > GENETIC_MAX ? MANY : THOROUGH;
    const probes = Math.floor(effort.probes / (1 + (stages / 16) ** 2));
    return { ...effort, probes, isContent: stages > LONG };
  }
}
