import assert from "node:assert/strict";
import type { Random } from "../random.ts";
import { AllReduce } from "./all_reduce.ts";
import type { ReduceAction, TransferKind } from "./all_reduce.ts";
import { partnersOf, piecesOf } from "./pieces.ts";
import type { Holder, Holdings, Piece } from "./pieces.ts";

/** A node with memory, whose sends are read when they are delivered, as sockets may do. */
export class FakeNode {
  readonly machine: AllReduce;
  readonly own = new Map<number, Float32Array>();
  readonly incoming = new Map<number, Float32Array>();
  sending = 0;

  constructor(readonly self: Holder, readonly network: Network) {
    this.machine = new AllReduce(network.pieces, self);
  }

  /** Begins a round with all elements as this node's cluster has them, which count for `weight`. */
  contribute(values: Float32Array, weight: number): void {
    for (const piece of this.machine.own) {
      const { begin, end } = this.network.pieces[piece]!;
      this.own.set(piece, values.slice(begin, end).map((x) => x * weight));
    }
    this.perform(this.machine.contribute());
  }

  /** Does what the machine says. */
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
export class Network {
  readonly pieces: readonly Piece[];
  readonly nodes: readonly (readonly FakeNode[])[];
  readonly links = new Map<string, Transfer[]>();

  constructor(holdings: Holdings, elementsMax: number) {
    this.pieces = piecesOf(holdings, elementsMax);
    this.nodes = holdings.clusters.map((stages, cluster) =>
      stages.map((_, stage) => new FakeNode({ cluster, stage }, this))
    );
  }

  /** Puts a transfer on its link. */
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

/**
 * One round of all nodes: each begins at a time of its own, transfers arrive in any order but that
 * of their link.
 *
 * @param values all elements as each cluster has them
 * @param weights share of each cluster
 */
export function runRound(
  network: Network,
  values: readonly Float32Array[],
  weights: readonly number[],
  random: Random,
): void {
  const nodes = network.nodes.flat();
  const waiting = [...nodes];
  while (true) {
    const pick = random.integer(nodes.length);
    if (waiting.includes(nodes[pick]!) && random.uniform() < 0.3) {
      const node = waiting.splice(waiting.indexOf(nodes[pick]!), 1)[0]!;
      node.contribute(values[node.self.cluster]!, weights[node.self.cluster]!);
    } else if (!network.deliver(random) && waiting.length === 0) break;
  }
  assert.ok(nodes.every(({ machine, sending }) => machine.finished && sending === 0));
}
