import assert from "node:assert/strict";
import { Network, runRound } from "../collective/testing.ts";
import { Random } from "../random.ts";
import { averagedTensors, holdingsOf, layAverages } from "./averaging_layout.ts";
import type { AveragingLayout, Member } from "./averaging_layout.ts";

/**
 * What each layer trains and keeps, with the number of elements: a scalar, a normalisation with its
 * statistics, a frozen layer that trains nothing, one of which only the bias is trained.
 */
const LAYERS: readonly { readonly parameters: object; readonly statistics?: object }[] = [
  { parameters: { w0: 7, b0: 3 } },
  { parameters: { scale1: 1 } },
  { parameters: { w2: 5, b2: 5 }, statistics: { mean2: 5, variance2: 5 } },
  { parameters: {} },
  { parameters: { b4: 2 } },
  { parameters: { w5: 11 }, statistics: { mean5: 1 } },
];

/** A cluster cut behind each layer whose bit is set. */
function cluster(name: string, cuts: number): Member[] {
  const stages: (typeof LAYERS)[number][][] = [[]];
  LAYERS.forEach((layer, l) => {
    stages.at(-1)!.push(layer);
    if (l < LAYERS.length - 1 && (cuts >> l & 1) === 1) stages.push([]);
  });
  return stages.map((layers, s) => {
    const sizes = (key: "parameters" | "statistics"): [string, number][] =>
      layers.flatMap((layer) => Object.entries(layer[key] ?? {}));
    return {
      name: `${name}${s}`,
      address: `${name}${s}`,
      manifest: {
        parameters: sizes("parameters")
          .map(([name, size]) => ({ name, dims: size === 1 ? [] : [size], gradient: name })),
        statistics: sizes("statistics").map(([running, size]) => ({
          ...{ running, batch: "b", kind: "mean" as const, momentum: 0.1, count: 1 },
          dims: [size],
        })),
      },
    };
  });
}

/** What a node has of a tensor, put together of its pieces. */
function held(network: Network, place: readonly [cluster: number, stage: number], at: number) {
  const node = network.nodes[place[0]]![place[1]]!;
  const piece = network.pieces.findIndex(({ begin, end }) => begin <= at && at < end);
  return node.own.get(piece)![at - network.pieces[piece]!.begin]!;
}

/** Each tensor of each node is the mean, with the bits of the first cluster. */
function assertTensors(
  network: Network,
  layouts: readonly (readonly AveragingLayout[])[],
  members: readonly (readonly Member[])[],
  mean: Float64Array,
): void {
  const seen = new Map<string, number>();
  members.forEach((stages, c) =>
    stages.forEach(({ manifest }, s) => {
      for (const [name, size] of averagedTensors(manifest)) {
        const begin = layouts[c]![s]!.tensors[name]!;
        assert.equal(begin, seen.get(name) ?? begin, `${name} has one place in all clusters`);
        seen.set(name, begin);
        for (let i = begin; i < begin + size; i++) {
          const found = held(network, [c, s], i);
          assert.ok(Math.abs(found - mean[i]!) < 1e-6, `${name} on ${c}.${s}`);
          assert.equal(found, held(network, [0, holder(network, i)], i), "the same bits");
        }
      }
    })
  );
}

/** The stage of cluster 0 that holds an element. */
function holder(network: Network, element: number): number {
  return network.pieces.find(({ end }) => element < end)!.holders[0]!;
}

Deno.test("every pair of cuts: each tensor gets the weighted mean, with the same bits", () => {
  const cuts = Array.from({ length: 2 ** (LAYERS.length - 1) }, (_, cut) => cut);
  const random = new Random(1);
  for (const [a, b] of cuts.flatMap((a) => cuts.map((b) => [a, b] as const))) {
    const members = [cluster("A", a), cluster("B", b)];
    const layouts = layAverages(members);
    const network = new Network(holdingsOf(layouts[0]![0]!), 1 + random.integer(8));
    const elements = layouts[0]![0]!.rings.at(-1)!;
    const weight = random.uniform();
    const weights = [weight, 1 - weight];
    const values = weights.map(() =>
      Float32Array.from({ length: elements }, () => random.uniform() - 0.5)
    );
    runRound(network, values, weights, random);
    const mean = Float64Array.from({ length: elements }, (_, i) => {
      return weight * values[0]![i]! + (1 - weight) * values[1]![i]!;
    });
    assertTensors(network, layouts, members, mean);
    const exact = network.pieces.filter(({ exact }) => exact);
    assert.equal(exact.reduce((sum, { begin, end }) => sum + end - begin, 0), 11);
  }
});
