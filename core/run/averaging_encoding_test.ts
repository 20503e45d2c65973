import assert from "node:assert/strict";
import type { CodecConfig } from "../compression/mod.ts";
import { Random } from "../random.ts";
import { begin, close, linked, round, valuesOf, valuesOfCluster } from "./averaging_testing.ts";
import type { FakeNode } from "./averaging_testing.ts";

/** Three clusters, so that a sum is encoded on its way too; each cut in its own way. */
const CLUSTERS = ["p0 p1, p2 p3 s", "p0 p1 p2 p3 s", "p0, p1 p2, p3 s"];
const SHARES = [0.5, 0.2, 0.3];
const ROUNDS = 12;

function linkedWith(averaging: CodecConfig): FakeNode[] {
  const none = { type: "none" } as const;
  const compression = { activations: none, gradients: none, averaging };
  return linked(CLUSTERS, { settings: { compression }, initial: valuesOf(() => 0.5) });
}

/** The largest difference of the parameters from what `ROUNDS` rounds should have made of them. */
async function errorAfterRounds(averaging: CodecConfig): Promise<number> {
  const nodes = linkedWith(averaging);
  begin(nodes, SHARES);
  const random = new Random(7);
  const moved = CLUSTERS.map(() => valuesOf(() => random.uniform() - 0.5));
  const value = (name: string, i: number) =>
    0.5 + ROUNDS * SHARES.reduce((sum, w, c) => sum + w * moved[c]!.get(name)![i]!, 0);
  for (let update = 1; update <= ROUNDS; update++) {
    for (const { stage, cluster } of nodes) {
      for (const [name, x] of stage.values) {
        const by = moved[cluster]!.get(name)!;
        stage.values.set(name, x.map((y, i) => y + by[i]!));
      }
    }
    await round(nodes, update);
    for (const { averaging } of nodes) await averaging.adopt(0);
    const first = valuesOfCluster(nodes, 0);
    for (const cluster of [1, 2]) {
      for (const [name, x] of valuesOfCluster(nodes, cluster)) {
        assert.deepEqual(x, first.get(name), `${name} in round ${update}`);
      }
    }
  }
  const expected = valuesOf(value);
  let error = 0;
  for (const [name, x] of valuesOfCluster(nodes, 2)) {
    const off = x.reduce((most, y, i) => Math.max(most, Math.abs(y - expected.get(name)![i]!)), 0);
    if (name === "s") assert.ok(off < 1e-5, "statistics travel as they are");
    else error = Math.max(error, off);
  }
  await close(nodes);
  return error;
}

/** Bounds for moves of up to 0.5 a round: without feedback, and with it. */
const BOUNDS: readonly (readonly [codec: CodecConfig, error: number])[] = [
  [{ type: "f16", feedback: false }, 6e-3],
  [{ type: "f16", feedback: true }, 1e-3],
  [{ type: "bf16", feedback: false }, 5e-2],
  [{ type: "bf16", feedback: true }, 5e-3],
  [{ type: "int8", feedback: false }, 8e-2],
  [{ type: "int8", feedback: true }, 6e-3],
  [{ type: "topk", share: 0.25, feedback: true }, 3],
];

for (const [codec, bound] of BOUNDS) {
  Deno.test(`${JSON.stringify(codec)}: all clusters equal bit for bit, near the mean`, async () => {
    const error = await errorAfterRounds(codec);
    assert.ok(error < bound, `off by ${error}`);
    assert.ok(error > bound / 20, `off by ${error} only: is anything encoded?`);
  });
}

Deno.test("fewer bytes are sent, as is told", async () => {
  for (const [type, least] of [["f16", 1.99], ["int8", 3.7]] as const) {
    const nodes = linkedWith({ type, feedback: false });
    begin(nodes, SHARES);
    await round(nodes, 1);
    for (const { averaging } of nodes) await averaging.adopt(0);
    const [{ bytes_raw, bytes_sent }] = nodes[2]!.reports as [typeof nodes[2]["reports"][0]];
    assert.ok(bytes_raw / bytes_sent > least, `${bytes_raw} in ${bytes_sent}`);
    await close(nodes);
  }
});
