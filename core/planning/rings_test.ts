import assert from "node:assert/strict";
import { Random } from "../random.ts";
import { layRings } from "./rings.ts";
import type { RingMember } from "./rings.ts";

const member = (address: string, ...parameters: string[]): RingMember => ({ address, parameters });

const clusters = [
  [member("A0", "p0", "p1"), member("A1", "p2", "p3"), member("A2", "p4", "p5")],
  [member("B0", "p0", "p1", "p2"), member("B1", "p3", "p4", "p5")],
];

Deno.test("clusters of three and two nodes share three rings", () => {
  const { rings, places } = layRings(clusters);
  assert.deepEqual(rings, [
    { ring: 0, parameters: ["p0", "p1"] },
    { ring: 1, parameters: ["p2", "p3"] },
    { ring: 2, parameters: ["p4", "p5"] },
  ]);
  assert.deepEqual(places, [
    [
      { ring_ids: { 0: "p0" }, address_to_param: { B0: "p0" } },
      { ring_ids: { 1: "p2" }, address_to_param: { B0: "p2", B1: "p3" } },
      { ring_ids: { 2: "p4" }, address_to_param: { B1: "p4" } },
    ],
    [
      { ring_ids: { 0: "p0", 1: "p2" }, address_to_param: { A0: "p0", A1: "p2" } },
      { ring_ids: { 1: "p3", 2: "p4" }, address_to_param: { A1: "p3", A2: "p4" } },
    ],
  ]);
});

Deno.test("in a single cluster every node is its own next", () => {
  const { rings, places } = layRings([clusters[0]!]);
  assert.equal(rings.length, 3);
  assert.deepEqual(places[0]![1], { ring_ids: { 1: "p2" }, address_to_param: { A1: "p2" } });
});

Deno.test("of equally large clusters the first lays the rings; the smaller may come first", () => {
  assert.deepEqual(layRings([clusters[1]!, clusters[0]!]).rings, layRings(clusters).rings);
  const other = [member("C0", "p0"), member("C1", "p1", "p2", "p3"), member("C2", "p4", "p5")];
  assert.deepEqual(layRings([clusters[0]!, other]).rings, layRings(clusters).rings);
});

Deno.test("every parameter goes round all clusters and comes back to its owner", () => {
  const random = new Random(3);
  const names = Array.from({ length: 12 }, (_, i) => `p${i}`);
  for (let trial = 0; trial < 50; trial++) {
    const pool = Array.from({ length: 1 + random.integer(4) }, (_, c) => {
      const borders = [0, 12, ...[0, 0, 0].map(() => random.integer(13))].sort((a, b) => a - b);
      return borders.slice(1).map((to, s) => member(`${c}/${s}`, ...names.slice(borders[s], to)))
        .filter(({ parameters }) => parameters.length > 0);
    });
    const { rings, places } = layRings(pool);
    assert.deepEqual(rings.flatMap(({ parameters }) => parameters), names);
    const owner = (c: number, name: string) =>
      pool[c]!.findIndex(({ parameters }) => parameters.includes(name));
    for (const name of names) {
      pool.forEach((cluster, c) => {
        const { parameters } = cluster[owner(c, name)]!;
        const map = places[c]![owner(c, name)]!.address_to_param;
        // The owner of a parameter is the address whose first parameter comes last before it.
        const [address] = Object.entries(map)
          .filter(([, first]) => parameters.indexOf(first) <= parameters.indexOf(name))
          .sort(([, a], [, b]) => parameters.indexOf(b) - parameters.indexOf(a))[0]!;
        const next = (c + 1) % pool.length;
        assert.equal(address, pool[next]![owner(next, name)]!.address);
      });
    }
  }
});

Deno.test("a parameter that a cluster lacks is found", () => {
  assert.throws(() => layRings([[member("A", "p0")], [member("B", "p1")]]), /holds "p0"/);
});
