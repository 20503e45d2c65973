import { z } from "zod";
import { partnersOf, piecesOf } from "../collective/mod.ts";
import type { Holder, Holdings, Range } from "../collective/mod.ts";
import { elementCount } from "../onnx/mod.ts";
import type { StageManifest } from "../training/mod.ts";

const index = z.number().int().nonnegative();

/**
 * How a node averages its weights with the other clusters. Elements are counted through all rings:
 * those of ring r are what stage r of the largest cluster trains, in the order of the model, and
 * then the running statistics that it keeps.
 */
export const averagingLayout = z.object({
  /** End of each ring. */
  rings: z.array(index),
  /** All nodes by cluster and stage, with the elements that they hold. */
  clusters: z.array(z.array(z.object({
    name: z.string(),
    address: z.string(),
    ranges: z.array(z.tuple([index, index])),
  }))),
  /** The elements that are running statistics. */
  exact: z.array(z.tuple([index, index])),
  /** First element of each tensor that this node holds. */
  tensors: z.record(z.string(), index),
}).strict();

/** @see averagingLayout */
export type AveragingLayout = z.infer<typeof averagingLayout>;

/** What a stage trains and keeps. */
type Held = Pick<StageManifest, "parameters" | "statistics">;

/** A node and its stage. */
export interface Member {
  readonly name: string;
  readonly address: string;
  readonly manifest: Held;
}

/** The tensors of a stage that clusters average, with the number of their elements. */
export function averagedTensors(held: Held): Map<string, number> {
  return new Map([...held.parameters.map(sizeOf), ...statisticsOf(held)]);
}

function sizeOf({ name, dims }: Held["parameters"][number]): [name: string, size: number] {
  return [name, elementCount(dims)];
}

function statisticsOf({ statistics }: Held): [name: string, size: number][] {
  return statistics.map(({ running, dims }) => [running, elementCount(dims)]);
}

/**
 * Lays the ranges of all nodes. The largest cluster (the first of several) has a ring a stage.
 *
 * @param clusters nodes by cluster and stage
 * @returns the layout as each node needs it, by cluster and stage
 * @throws {Error} where the clusters do not hold the same tensors
 */
export function layAverages(clusters: readonly (readonly Member[])[]): AveragingLayout[][] {
  const held = clusters.map((stages) => stages.map(({ manifest }) => averagedTensors(manifest)));
  const largest = held.reduce((a, b) => b.length > a.length ? b : a);
  const begins = new Map<string, number>();
  let end = 0;
  const rings = largest.map((tensors) => {
    for (const [name, size] of tensors) {
      begins.set(name, end);
      end += size;
    }
    return end;
  });
  const beginOf = (name: string): number => {
    const begin = begins.get(name);
    if (begin === undefined) throw new Error(`the largest cluster does not hold "${name}"`);
    return begin;
  };
  const members = clusters.map((stages, c) =>
    stages.map(({ name, address }, s) => {
      const ranges = [...held[c]![s]!].map(([tensor, size]): [number, number] => {
        const begin = beginOf(tensor);
        return [begin, begin + size];
      });
      return { name, address, ranges: joined(ranges) };
    })
  );
  const exact = joined(
    clusters[held.indexOf(largest)]!.flatMap(({ manifest }) =>
      statisticsOf(manifest).map(([name, size]): Range => [beginOf(name), beginOf(name) + size])
    ),
  );
  piecesOf({ rings, clusters: members.map((stages) => stages.map(({ ranges }) => ranges)), exact });
  return held.map((stages) =>
    stages.map((tensors) => ({
      rings,
      clusters: members,
      exact,
      tensors: Object.fromEntries([...tensors.keys()].map((name) => [name, beginOf(name)])),
    }))
  );
}

/** What the layout says about all nodes, for the rings. */
export function holdingsOf({ rings, clusters, exact }: AveragingLayout): Holdings {
  return { rings, clusters: clusters.map((stages) => stages.map(({ ranges }) => ranges)), exact };
}

/** Name of a parameter's array of optimizer state, e.g. Adam's `exp_avg`. */
export function stateName(slot: string, parameter: string): string {
  return `${slot}.${parameter}`;
}

/**
 * The layout where the optimizer's state is averaged too: behind all elements come as many again
 * for each array of state, on the same nodes. They are exact.
 *
 * @param parameters names of those that this node trains
 */
export function withState(
  layout: AveragingLayout,
  parameters: readonly string[],
  slots: readonly string[],
): AveragingLayout {
  const { rings, clusters, exact, tensors } = layout;
  const size = rings.at(-1) ?? 0;
  const planes = Array.from({ length: slots.length + 1 }, (_, plane) => plane * size);
  const moved = (ranges: readonly Range[]) =>
    planes.flatMap((by) => ranges.map(([a, b]): [number, number] => [a + by, b + by]));
  const states = slots.flatMap((slot, i) =>
    parameters.map((name) => [stateName(slot, name), tensors[name]! + planes[i + 1]!])
  );
  return {
    rings: planes.flatMap((by) => rings.map((end) => end + by)),
    clusters: clusters.map((stages) =>
      stages.map((node) => ({ ...node, ranges: joined(moved(node.ranges)) }))
    ),
    exact: slots.length === 0 ? exact : [...exact, [size, size * planes.length]],
    tensors: { ...tensors, ...Object.fromEntries(states) },
  };
}

/** A node's place in the layout. @throws {Error} where it has none */
export function placeOf({ clusters }: AveragingLayout, node: string): Holder {
  for (const [cluster, stages] of clusters.entries()) {
    const stage = stages.findIndex(({ name }) => name === node);
    if (stage >= 0) return { cluster, stage };
  }
  throw new Error(`${node} is not in the plan's rings`);
}

/** The nodes of other clusters with which node `name` exchanges pieces. */
export function partnerNodes(
  layout: AveragingLayout,
  name: string,
): (Holder & { readonly name: string; readonly address: string })[] {
  const pieces = piecesOf(holdingsOf(layout));
  return partnersOf(pieces, placeOf(layout, name)).map(({ cluster, stage }) => {
    const { name, address } = layout.clusters[cluster]![stage]!;
    return { cluster, stage, name, address };
  });
}

/** Ranges in order, those that touch as one. */
function joined(ranges: readonly Range[]): [number, number][] {
  const all: [number, number][] = [];
  for (const [begin, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = all.at(-1);
    if (last?.[1] === begin) last[1] = end;
    else all.push([begin, end]);
  }
  return all;
}
