import assert from "node:assert/strict";
import type { BatchPlace, BatchSource } from "./batch_source.ts";
import { ShardedSource } from "./sharded_source.ts";

/** A source that fills with the positions it is asked for. */
class Positions implements BatchSource {
  readonly validationSamples = 3;
  constructor(readonly samples: number) {}

  fill(_value: string, { epoch, start, samples }: BatchPlace, target: Uint8Array): void {
    assert.ok(start + samples <= this.samples, "within the epoch");
    for (let i = 0; i < samples; i++) target[i] = 100 * epoch + start + i;
  }

  fillValidation(_value: string, start: number, samples: number, target: Uint8Array): void {
    for (let i = 0; i < samples; i++) target[i] = start + i;
  }
}

/** The positions that a cluster visits in an epoch. */
function visited(total: number, cluster: number, clusters: number, batchSize: number): number[] {
  const source = new ShardedSource(new Positions(total), { cluster, clusters, batchSize });
  const target = new Uint8Array(source.samples);
  source.fill("x", { epoch: 1, start: 0, samples: source.samples }, target);
  return [...target].map((place) => place - 100);
}

Deno.test("clusters see disjoint samples, all of them, in equally many batches", () => {
  for (const clusters of [1, 2, 3, 5]) {
    for (let total = clusters; total < 30; total++) {
      for (const batchSize of [1, 3, 4]) {
        const shares = Array.from(
          { length: clusters },
          (_, cluster) => visited(total, cluster, clusters, batchSize),
        );
        const batches = shares.map(({ length }) => Math.ceil(length / batchSize));
        assert.equal(new Set(batches).size, 1, `${total} over ${clusters}`);
        const all = new Set(shares.flat());
        assert.deepEqual(
          [...all].sort((a, b) => a - b),
          Array.from({ length: total }, (_, i) => i),
        );
        // A sample is visited twice only where a share was filled up with one.
        const twice = shares.flat().length - total;
        assert.ok(
          twice < clusters && (twice === 0 || Math.floor(total / clusters) % batchSize === 0),
        );
      }
    }
  }
});

Deno.test("every cluster validates on all there is; too few samples are refused", () => {
  const options = { cluster: 1, clusters: 2, batchSize: 4 };
  const source = new ShardedSource(new Positions(7), options);
  const target = new Uint8Array(3);
  source.fillValidation("x", 0, 3, target);
  assert.deepEqual([...target], [0, 1, 2]);
  assert.equal(source.validationSamples, 3);
  assert.throws(() => new ShardedSource(new Positions(1), options), /2 clusters cannot share 1/);
});
