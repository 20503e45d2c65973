import type { Holdings, Range } from "../collective/mod.ts";
import type { Neighbours } from "../pipeline/mod.ts";
import type { ClusterWork } from "../planning/mod.ts";
import type { SimulationInput, Way } from "./input.ts";
import type { StageMessage } from "./simulated_stage.ts";

/** Who holds which elements: each stage one range, in the order of the model. */
export function holdingsOf({ clusters }: SimulationInput): Holdings {
  const ranges = clusters.map(({ elements }) => {
    let end = 0;
    return elements.map((count): Range[] => [[end, end += count]]);
  });
  const largest = ranges.reduce((a, b) => b.length > a.length ? b : a);
  return { clusters: ranges, rings: largest.map(([range]) => range![1]) };
}

/** The stages that send activations to one, and those that read its own. */
export function neighboursOf({ links }: ClusterWork, stage: number): Neighbours {
  const sorted = (stages: number[]) => [...new Set(stages)].sort((a, b) => a - b);
  return {
    producers: sorted(links.flatMap(({ from, to }) => to === stage && from < to ? [from] : [])),
    consumers: sorted(links.flatMap(({ from, to }) => from === stage && from < to ? [to] : [])),
  };
}

/** The way between two stages; one way where only the other is known. */
export function wayInCluster({ links }: ClusterWork, from: number, to: number): Way {
  const way = links.find((link) => link.from === from && link.to === to) ??
    links.find((link) => link.from === to && link.to === from);
  if (way === undefined) throw new Error(`stages ${from} and ${to} have no link`);
  return way;
}

/** Bytes of the tensors of a message from stage to stage, by what the links carry. */
export function bytesOf(
  { links, batch_size, micro_batches }: ClusterWork,
): (from: number, to: number, message: StageMessage) => number {
  const samples = Math.ceil(batch_size / micro_batches);
  const sizes = new Map(links.map(({ from, to, bytes }) => [`${from} ${to}`, bytes / samples]));
  return (from, to, { kind, samples: count }) => {
    if (kind !== "forward" && kind !== "backward" && kind !== "evaluate") return 0;
    return Math.round(count * (sizes.get(`${from} ${to}`) ?? 0));
  };
}
