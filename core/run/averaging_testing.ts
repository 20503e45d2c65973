import assert from "node:assert/strict";
import { tensor } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import type { StageManifest } from "../training/mod.ts";
import { memoryLinks } from "../../transport/mod.ts";
import type { Link } from "../../transport/mod.ts";
import { Averaging } from "./averaging.ts";
import { bytesOf } from "./averaging_exchange.ts";
import type { AverageReport, AveragingOptions } from "./averaging.ts";
import { layAverages, partnerNodes } from "./averaging_layout.ts";
import type { RunTerms } from "./run_terms.ts";

/** Sizes of the parameters and of a running statistic; none fits the kernels' alignment. */
const SIZES = new Map([["p0", 3], ["p1", 1], ["p2", 70_001], ["p3", 130], ["s", 2]]);

/** Numbers by the name of their tensor. */
export type Values = Map<string, Float32Array>;

const isStatistic = (name: string) => name === "s";

/** Values of all tensors, element by element. */
export function valuesOf(element: (name: string, i: number) => number): Values {
  return new Map([...SIZES].map(([name, size]) => [
    name,
    Float32Array.from({ length: size }, (_, i) => element(name, i)),
  ]));
}

/** A stage that holds some tensors, and as many numbers of optimizer state in two slots. */
export class FakeStage {
  readonly values: Values;
  readonly state: readonly Values[];
  readonly manifest: StageManifest;

  constructor(readonly names: readonly string[]) {
    const zeros = (names: readonly string[]) =>
      new Map(names.map((name) => [name, new Float32Array(SIZES.get(name)!)]));
    const trained = names.filter((name) => !isStatistic(name));
    this.values = zeros(names);
    this.state = [zeros(trained), zeros(trained)];
    this.manifest = {
      parameters: trained
        .map((name) => ({ name, dims: [SIZES.get(name)!], gradient: `d.${name}` })),
      statistics: names.filter(isStatistic).map((running) => ({
        ...{ running, batch: "b", kind: "mean" as const, momentum: 0.1, count: 1 },
        dims: [SIZES.get(running)!],
      })),
      ...{ format: 1, stage: 0, stages: 1, batch: 1, inputs: [], outputs: [], relays: [] },
      ...{ masks: [], stash: [], recompute: false },
    };
  }

  /** Takes over the values of its tensors. */
  set(values: Values): void {
    for (const name of this.names) this.values.set(name, values.get(name)!.slice());
  }

  /** As the averaging sees its parameters. */
  get weights(): AveragingOptions["weights"] {
    return {
      views: () =>
        new Map(
          [...this.values].filter(([name]) => !isStatistic(name))
            .map(([name, value]) => [name, bytesOf(value)]),
        ),
      replace: (_buffer, values) => this.#replace(values, (name) => !isStatistic(name)),
      state: () => this.state.map((slot) => tensorsOf(slot, () => true)),
      replaceState: (slot, values) => {
        for (const [name, value] of values) this.state[slot]!.set(name, value.slice());
      },
    };
  }

  /** As the averaging sees its running statistics. */
  get executor(): AveragingOptions["executor"] {
    return {
      statistics: () => tensorsOf(this.values, isStatistic),
      replaceStatistics: (values) => this.#replace(values, isStatistic),
    };
  }

  #replace(values: ReadonlyMap<string, Float32Array>, holds: (name: string) => boolean): void {
    for (const name of this.names.filter(holds)) this.values.set(name, values.get(name)!.slice());
  }
}

function tensorsOf(values: Values, holds: (name: string) => boolean): Map<string, Tensor> {
  const own = [...values].filter(([name]) => holds(name));
  return new Map(
    own.map(([name, value]) => [name, tensor("float32", [value.length], value.slice())]),
  );
}

/** A node of a cluster, its averaging linked to those of the others in memory. */
export interface FakeNode {
  readonly cluster: number;
  readonly stage: FakeStage;
  readonly averaging: Averaging;
  readonly reports: AverageReport[];
  readonly changed: () => Promise<void>;
}

/** How `linked` averages. */
export interface FakeSettings {
  readonly settings?: Partial<AveragingOptions["settings"]>;
  readonly initial?: Values;
}

/** Adam, whose state has two slots. */
const OPTIMIZER: AveragingOptions["settings"]["optimizer"] = {
  ...{ type: "adam", lr: 0.1, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
};

/**
 * Clusters whose stages hold the tensors that are named, e.g. `"p0 p1, p2 p3 s"`. They have begun
 * where `initial` says, and have not opened their links.
 */
export function linked(clusters: readonly string[], o: FakeSettings = {}): FakeNode[] {
  const nodes = clusters.flatMap((stages, cluster) =>
    stages.split(",").map((names, s) => ({
      cluster,
      name: `${"abcdefgh"[cluster]}${s}`,
      stage: new FakeStage(names.trim().split(" ")),
    }))
  );
  const members = clusters.map((_, cluster) =>
    nodes.filter((node) => node.cluster === cluster)
      .map(({ name, stage: { manifest } }) => ({ name, address: name, manifest }))
  );
  const layouts = layAverages(members).flat();
  const links = new Map(nodes.map(({ name }) => [name, new Map<string, Link>()]));
  nodes.forEach(({ name }, i) => {
    for (const partner of partnerNodes(layouts[i]!, name)) {
      if (links.get(name)!.has(partner.name)) continue;
      const identity = (nodeId: string) => ({ nodeId, address: nodeId });
      const [here, there] = memoryLinks(identity(name), identity(partner.name));
      links.get(name)!.set(partner.name, here);
      links.get(partner.name)!.set(name, there);
    }
  });
  return nodes.map(({ name, cluster, stage }, i) => {
    if (o.initial !== undefined) stage.set(o.initial);
    let wake = () => {};
    const reports: AverageReport[] = [];
    const averaging = new Averaging({
      ...{ node: name, layout: layouts[i]!, manifest: stage.manifest, links: links.get(name)! },
      initial: tensorsOf(stage.values, () => true),
      settings: { optimizer: OPTIMIZER, ...o.settings },
      weights: stage.weights,
      executor: stage.executor,
      observer: { averaged: (report) => reports.push(report) },
      handlers: {
        changed: () => wake(),
        closed: () => {},
        failed: (error) => assert.fail(error),
      },
    });
    const changed = () => new Promise<void>((resolve) => wake = resolve);
    return { cluster, stage, averaging, reports, changed };
  });
}

/** Terms of a run by which cluster `cluster` counts for `weight` in the mean. */
export function termsOf(cluster: number, weight: number, reduce_delay = 0): RunTerms {
  const shape = { samples: cluster, reduce_every: 1, reduce_delay };
  const averaging = { samples: 8, shard: "disjoint", weight };
  return JSON.parse(JSON.stringify({ run_id: String(cluster), settings: {}, shape, averaging }));
}

/** Opens all links and begins, with the clusters' shares in the mean. */
export function begin(nodes: readonly FakeNode[], shares: readonly number[], delay = 0): void {
  for (const { averaging } of nodes) averaging.open();
  for (const { averaging, cluster } of nodes) {
    averaging.begin(termsOf(cluster, shares[cluster]!, delay));
  }
}

/** Lets all nodes contribute what they have after `update`, and waits until all have the mean. */
export async function round(nodes: readonly FakeNode[], update: number): Promise<void> {
  for (const { averaging } of nodes) await averaging.contribute(0, update);
  for (const { averaging, changed } of nodes) while (!averaging.mayAdopt()) await changed();
}

/** Ends all links. */
export async function close(nodes: readonly FakeNode[]): Promise<void> {
  await Promise.all(nodes.map(({ averaging }) => averaging.close()));
}

/** The values of cluster `cluster`, of all its stages. */
export function valuesOfCluster(nodes: readonly FakeNode[], cluster: number): Values {
  const own = nodes.filter((node) => node.cluster === cluster);
  return new Map(own.flatMap(({ stage }) => [...stage.values]));
}
