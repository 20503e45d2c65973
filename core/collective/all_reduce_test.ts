import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { AllReduce } from "./all_reduce.ts";
import type { ReduceAction, TransferKind } from "./all_reduce.ts";
import { partnersOf, piecesOf } from "./pieces.ts";
import type { Holder, Holdings, Range } from "./pieces.ts";

/** A node with memory, whose sends are read when they are delivered, as sockets may do. */
class FakeNode {
  readonly machine: AllReduce;
  readonly own = new Map<number, Float32Array>();
  readonly incoming = new Map<number, Float32Array>();
  sending = 0;

  constructor(readonly self: Holder, readonly network: Network) {
    this.machine = new AllReduce(network.pieces, self);
  }

  contribute(values: Float32Array, weight: number): void {
    for (const piece of this.machine.own) {
      const { begin, end } = this.network.pieces[piece]!;
      this.own.set(piece, values.slice(begin, end).map((x) => x * weight));
    }
    this.perform(this.machine.contribute());
  }

  perform(actions: readonly ReduceAction[]): void {
    for (const action of actions) {
      if (action.type === "send") this.network.send(this, action);
      else {
        const [target, source] = [this.own.get(action.piece)!, this.incoming.get(action.piece)!];
        for (let i = 0; i < target.length; i++) target[i] = target[i]! + source[i]!;
      }
    }
  }
}

interface Transfer {
  readonly from: FakeNode;
  readonly to: FakeNode;
  readonly kind: TransferKind;
  readonly piece: number;
  readonly round: number;
}

/** Links that keep the order of what goes over each, and nothing else. */
class Network {
  readonly pieces;
  readonly nodes: readonly (readonly FakeNode[])[];
  readonly links = new Map<string, Transfer[]>();

  constructor(holdings: Holdings, elementsMax: number) {
    this.pieces = piecesOf(holdings, elementsMax);
    this.nodes = holdings.clusters.map((stages, cluster) =>
      stages.map((_, stage) => new FakeNode({ cluster, stage }, this))
    );
  }

  send(from: FakeNode, { kind, piece, to }: ReduceAction & { type: "send" }): void {
    const next = this.nodes[(from.self.cluster + 1) % this.nodes.length]![to]!;
    const partners = partnersOf(this.pieces, from.self);
    assert.ok(partners.some((p) => p.cluster === next.self.cluster && p.stage === to));
    const key = `${from.self.cluster} ${from.self.stage} ${to}`;
    const transfer = { from, to: next, kind, piece, round: from.machine.round };
    from.sending++;
    this.links.set(key, [...this.links.get(key) ?? [], transfer]);
  }

  /** Delivers the first transfer of a link; false where nothing is under way. */
  deliver(random: Random): boolean {
    const busy = [...this.links.values()].filter((queue) => queue.length > 0);
    if (busy.length === 0) return false;
    const { from, to, kind, piece, round } = busy[random.integer(busy.length)]!.shift()!;
    from.sending--;
    (kind === "reduce" ? to.incoming : to.own).set(piece, from.own.get(piece)!.slice());
    to.perform(to.machine.arrived(kind, piece, round, from.self));
    return true;
  }
}

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
    const nodes = network.nodes.flat();
    for (let round = 0; round < 2; round++) {
      const values = holdings.clusters.map(() =>
        Float32Array.from({ length: elements }, () => random.uniform() - 0.5)
      );
      const waiting = [...nodes];
      while (true) {
        const pick = random.integer(nodes.length);
        if (waiting.includes(nodes[pick]!) && random.uniform() < 0.3) {
          const node = waiting.splice(waiting.indexOf(nodes[pick]!), 1)[0]!;
          node.contribute(values[node.self.cluster]!, weights[node.self.cluster]!);
        } else if (!network.deliver(random) && waiting.length === 0) break;
      }
      assert.ok(nodes.every(({ machine, sending }) => machine.finished && sending === 0));
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
