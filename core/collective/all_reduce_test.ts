import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { AllReduce } from "./all_reduce.ts";
import { partnersOf, piecesOf } from "./pieces.ts";
import type { Holdings, Range } from "./pieces.ts";
import { Network, runRound } from "./testing.ts";

/** Tensors of random sizes, cut over each cluster's stages anew; the largest lays the rings. */
function randomHoldings(random: Random): Holdings {
  const sizes = Array.from({ length: 6 + random.integer(8) }, () => 1 + random.integer(40));
  const ends = sizes.map(((sum) => (size: number) => sum += size)(0));
  const clusters = Array.from({ length: 2 + random.integer(4) }, () => {
    const stages = 1 + random.integer(6);
    const cuts = Uint32Array.from(sizes.slice(1), (_, i) => i + 1);
    random.shuffle(cuts);
    const borders = [...cuts.slice(0, stages - 1)].sort((a, b) => a - b);
    return [...borders, sizes.length].map((to, s): Range[] => [
      [ends[(borders[s - 1] ?? 0) - 1] ?? 0, ends[to - 1]!],
    ]);
  });
  const largest = clusters.reduce((a, b) => b.length > a.length ? b : a);
  return { rings: largest.map(([range]) => range![1]), clusters };
}

function assertMean(
  network: Network,
  values: readonly Float32Array[],
  weights: readonly number[],
): void {
  network.pieces.forEach(({ begin, end, holders }, piece) => {
    const sums = holders.map((stage, c) => network.nodes[c]![stage]!.own.get(piece)!);
    for (const sum of sums) assert.deepEqual(sum, sums[0], "all clusters have the same bits");
    for (let i = begin; i < end; i++) {
      const mean = weights.reduce((sum, weight, c) => sum + weight * values[c]![i]!, 0);
      assert.ok(Math.abs(sums[0]![i - begin]! - mean) < 1e-5, `element ${i} of ${mean}`);
    }
  });
}

Deno.test("any cuts, weights and delays: the weighted mean, the same bits everywhere", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const holdings = randomHoldings(random);
    const network = new Network(holdings, 1 + random.integer(60));
    const count = holdings.clusters.length;
    const shares = Array.from({ length: count }, () => 1 + random.integer(9));
    const total = shares.reduce((a, b) => a + b);
    const weights = shares.map((share) => share / total);
    const elements = holdings.rings.at(-1)!;
    for (let round = 0; round < 2; round++) {
      const values = holdings.clusters.map(() =>
        Float32Array.from({ length: elements }, () => random.uniform() - 0.5)
      );
      runRound(network, values, weights, random);
      assertMean(network, values, weights);
    }
  }
});

Deno.test("nodes that are ahead begin the next round, and nothing is mixed up", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed);
    const holdings = randomHoldings(random);
    const network = new Network(holdings, 20);
    const nodes = network.nodes.flat();
    const elements = holdings.rings.at(-1)!;
    const rounds = 4;
    for (let idle = 0; idle < 1000; idle++) {
      const node = nodes[random.integer(nodes.length)]!;
      const { machine, self } = node;
      if (machine.finished && node.sending === 0 && machine.round < rounds - 1) {
        for (const piece of machine.round < 0 ? [] : machine.own) {
          const sum = node.own.get(piece)!;
          const expected = holdings.clusters.reduce((s, _, c) => s + c + 1 + machine.round, 0);
          assert.ok(sum.every((x) => x === expected), `${sum[0]} in round ${machine.round}`);
        }
        const value = self.cluster + 1 + machine.round + 1;
        node.contribute(new Float32Array(elements).fill(value), 1);
        idle = 0;
      } else if (network.deliver(random)) idle = 0;
    }
    assert.ok(nodes.every(({ machine }) => machine.finished && machine.round === rounds - 1));
  }
});

Deno.test("pieces are the intersections of all cuts and chunks", () => {
  const holdings: Holdings = { rings: [4, 10], clusters: [[[[0, 4]], [[4, 10]]], [[[0, 10]]]] };
  const pieces = piecesOf(holdings).map(({ begin, end, first, holders }) =>
    `${begin}-${end} from ${first} on ${holders}`
  );
  assert.deepEqual(pieces, [
    "0-2 from 0 on 0,0",
    "2-4 from 1 on 0,0",
    "4-7 from 0 on 1,0",
    "7-10 from 1 on 1,0",
  ]);
  assert.deepEqual(partnersOf(piecesOf(holdings), { cluster: 1, stage: 0 }), [
    { cluster: 0, stage: 0 },
    { cluster: 0, stage: 1 },
  ]);
});

Deno.test("what one cluster holds twice or lacks is an error, as is a stray piece", () => {
  const all: Range[][] = [[[0, 4]]];
  const wrong: Range[][][] = [[[[0, 3]]], [[[0, 3]], [[2, 4]]], [[[1, 4]]], [[[0, 2]], [[3, 4]]]];
  for (const bad of wrong) {
    const clusters = [all, bad];
    assert.throws(() => piecesOf({ rings: [4], clusters }), /cluster 1 must hold element/);
  }
  const machine = new AllReduce(piecesOf({ rings: [4], clusters: [all, all] }), {
    cluster: 0,
    stage: 0,
  });
  const from = { cluster: 1, stage: 0 };
  assert.throws(() => machine.arrived("gather", 0, 0, from), /gather of piece 0 came in round 0/);
  assert.throws(() => machine.arrived("reduce", 1, 0, { cluster: 1, stage: 1 }), /no piece 1/);
  machine.contribute();
  assert.deepEqual(machine.awaited, [from]);
  assert.throws(() => machine.contribute(), /round 0 is under way/);
});
