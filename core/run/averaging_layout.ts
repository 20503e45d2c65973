import { z } from "zod";
import { piecesOf } from "../collective/mod.ts";
import type { Range } from "../collective/mod.ts";
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
export function averagedTensors({ parameters, statistics }: Held): Map<string, number> {
  return new Map([
    ...parameters.map(({ name, dims }) => [name, elementCount(dims)] as const),
    ...statistics.map(({ running, dims }) => [running, elementCount(dims)] as const),
  ]);
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
  piecesOf({ rings, clusters: members.map((stages) => stages.map(({ ranges }) => ranges)) });
  return held.map((stages) =>
    stages.map((tensors) => ({
      rings,
      clusters: members,
      tensors: Object.fromEntries([...tensors.keys()].map((name) => [name, beginOf(name)])),
    }))
  );
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
