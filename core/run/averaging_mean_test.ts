import assert from "node:assert/strict";
import type { OuterConfig } from "../collective/mod.ts";
import { Random } from "../random.ts";
import { begin, close, linked, round, valuesOf, valuesOfCluster } from "./averaging_testing.ts";
import type { FakeNode, Values } from "./averaging_testing.ts";

/** Three clusters, each cut in its own way. */
const CLUSTERS = ["p0 p1, p2 p3 s", "p0 p1 p2 p3 s", "p0, p1 p2, p3 s"];
const SHARES = [0.5, 0.2, 0.3];

const OUTERS: readonly OuterConfig[] = [
  { type: "none" },
  { type: "sgd", lr: 0.5, momentum: 0 },
  { type: "sgd", lr: 0.9, momentum: 0.5 },
  { type: "nesterov", lr: 0.7, momentum: 0.9 },
];

/** How far each cluster moves before a round: the same in all of its stages. */
function moves(random: Random): Values[] {
  return CLUSTERS.map(() => valuesOf(() => random.uniform() - 0.5));
}

function move(node: FakeNode, moved: readonly Values[]): void {
  for (const [name, value] of node.stage.values) {
    const by = moved[node.cluster]!.get(name)!;
    node.stage.values.set(name, value.map((x, i) => x + by[i]!));
  }
}

/** The outer optimizer as its paper has it, one element after the other, in double precision. */
class Reference {
  readonly common: Map<string, Float64Array>;
  readonly #velocity = new Map<string, Float64Array>();

  constructor(readonly outer: OuterConfig, initial: Values) {
    this.common = new Map([...initial].map(([name, x]) => [name, Float64Array.from(x)]));
  }

  /** @param values of each cluster */
  round(values: readonly Values[]): void {
    for (const [name, common] of this.common) {
      const velocity = this.#velocity.get(name) ?? new Float64Array(common.length);
      this.#velocity.set(name, velocity);
      for (let i = 0; i < common.length; i++) {
        const moved = SHARES.reduce((sum, w, c) => {
          return sum + w * (common[i]! - values[c]!.get(name)![i]!);
        }, 0);
        if (this.outer.type === "none" || name === "s") {
          common[i] = common[i]! - moved;
          continue;
        }
        const { type, lr, momentum } = this.outer;
        velocity[i] = momentum * velocity[i]! + moved;
        common[i]! -= lr * (type === "nesterov" ? moved + momentum * velocity[i]! : velocity[i]!);
      }
    }
  }
}

for (const outer of OUTERS) {
  Deno.test(`outer ${JSON.stringify(outer)}: as in double precision, bits equal`, async () => {
    const random = new Random(3);
    const initial = valuesOf(() => random.uniform() - 0.5);
    const nodes = linked(CLUSTERS, { settings: { outer }, initial });
    begin(nodes, SHARES);
    const reference = new Reference(outer, initial);
    for (let update = 1; update <= 4; update++) {
      const moved = moves(random);
      for (const node of nodes) move(node, moved);
      reference.round(CLUSTERS.map((_, cluster) => valuesOfCluster(nodes, cluster)));
      await round(nodes, update);
      for (const { averaging } of nodes) await averaging.adopt(0);
      const first = valuesOfCluster(nodes, 0);
      for (const cluster of [1, 2]) {
        for (const [name, value] of valuesOfCluster(nodes, cluster)) {
          assert.deepEqual(value, first.get(name), `${name} in round ${update}`);
        }
      }
      for (const [name, expected] of reference.common) {
        const off = first.get(name)!.reduce((most, x, i) => {
          return Math.max(most, Math.abs(x - expected[i]!));
        }, 0);
        assert.ok(off < 3e-6, `${name} is off by ${off} in round ${update}`);
      }
    }
    await close(nodes);
  });
}

Deno.test("a round that is cut short moves to the mean, others by momentum", async () => {
  const outer = { type: "nesterov", lr: 0.7, momentum: 0.9 } as const;
  const nodes = linked(["p0 p1", "p0 p1"], { settings: { outer }, initial: valuesOf(() => 0) });
  begin(nodes, [0.5, 0.5]);
  // Δ = −2 in each round: the mean is ahead by 2.
  const expected = [[10, 0.7 * (2 + 0.9 * 2)], [19, 0.7 * (2 + 0.9 * 3.8)], [23, 2]] as const;
  let before = 0;
  for (const [update, moved] of expected) {
    for (const { stage, cluster } of nodes) {
      for (const [name, value] of stage.values) {
        stage.values.set(name, value.map((x) => x + 1 + 2 * cluster));
      }
    }
    await round(nodes, update);
    for (const { averaging } of nodes) await averaging.adopt(0);
    const [found] = nodes[0]!.stage.values.get("p0")!;
    assert.ok(Math.abs(found! - before - moved) < 1e-5, `${found} after update ${update}`);
    before = found!;
  }
  await close(nodes);
});

Deno.test("without waiting, each cluster keeps what it moved meanwhile", async () => {
  const outer = { type: "nesterov", lr: 0.7, momentum: 0.9 } as const;
  const random = new Random(5);
  const initial = valuesOf(() => random.uniform() - 0.5);
  const nodes = linked(CLUSTERS, { settings: { outer }, initial });
  begin(nodes, SHARES, 1);
  const reference = new Reference(outer, initial);
  for (let update = 1; update <= 3; update++) {
    const [moved, meanwhile] = [moves(random), moves(random)];
    for (const node of nodes) move(node, moved);
    reference.round(CLUSTERS.map((_, cluster) => valuesOfCluster(nodes, cluster)));
    await round(nodes, update);
    for (const node of nodes) move(node, meanwhile);
    for (const { averaging } of nodes) await averaging.correct(0);
    for (const cluster of [0, 1, 2]) {
      for (const [name, value] of valuesOfCluster(nodes, cluster)) {
        const [common, by] = [reference.common.get(name)!, meanwhile[cluster]!.get(name)!];
        const off = value.reduce((most, x, i) => {
          return Math.max(most, Math.abs(x - common[i]! - by[i]!));
        }, 0);
        assert.ok(off < 3e-6, `${name} of cluster ${cluster} is off by ${off}`);
      }
    }
  }
  await close(nodes);
});
