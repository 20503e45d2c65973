import assert from "node:assert/strict";
import { layAverages, partnerNodes } from "./averaging_layout.ts";
import type { Member } from "./averaging_layout.ts";

/** A node that trains parameters of two elements each, and keeps statistics of one. */
function member(name: string, parameters: string, statistics = ""): Member {
  const names = (text: string) => text.split(" ").filter((part) => part !== "");
  return {
    name,
    address: `${name}:1`,
    manifest: {
      parameters: names(parameters).map((name) => ({ name, dims: [2, 1], gradient: `d.${name}` })),
      statistics: names(statistics).map((running) => ({
        running,
        batch: `batch.${running}`,
        kind: "mean",
        momentum: 0.1,
        count: 1,
        dims: [1],
      })),
    },
  };
}

Deno.test("the rings are those of Ravnest's example, running statistics behind parameters", () => {
  const [first, second] = layAverages([
    [member("A0", "p0 p1"), member("A1", "p2 p3", "s"), member("A2", "p4 p5")],
    [member("B0", "p0 p1 p2", "s"), member("B1", "p3 p4 p5")],
  ]);
  const { rings, clusters, tensors } = second![0]!;
  assert.deepEqual(rings, [4, 9, 13]);
  const ranges = clusters.map((stages) => stages.map(({ ranges }) => ranges));
  assert.deepEqual(ranges[0], [[[0, 4]], [[4, 9]], [[9, 13]]]);
  assert.deepEqual(ranges[1], [[[0, 6], [8, 9]], [[6, 8], [9, 13]]]);
  assert.deepEqual(tensors, { p0: 0, p1: 2, p2: 4, s: 8 });
  assert.deepEqual(first![1]!.tensors, { p2: 4, p3: 6, s: 8 });
  const partners = (name: string) => partnerNodes(second![0]!, name).map(({ name }) => name);
  assert.deepEqual(["A0", "A1", "A2", "B0", "B1"].map(partners), [
    ["B0"],
    ["B0", "B1"],
    ["B1"],
    ["A0", "A1"],
    ["A1", "A2"],
  ]);
});

Deno.test("clusters that hold different tensors cannot average", () => {
  const lay = (parameters: string) => () =>
    layAverages([[member("A0", "p0 p1"), member("A1", "p2")], [member("B0", parameters)]]);
  assert.throws(lay("p0 p1"), /cluster 1 must hold element 4 exactly once, found nothing/);
  assert.throws(lay("p0 p1 p2 p3"), /the largest cluster does not hold "p3"/);
});
