import assert from "node:assert/strict";
import { Calendar } from "../pipeline/mod.ts";
import type { Port } from "../training/mod.ts";
import type { BatchSource } from "./batch_source.ts";
import { CountedShares } from "./counted_shares.ts";

const LABELS: Port = { value: "labels", dtype: "int64", dims: [{ perSample: 1 }, 2] };

/** Labels of seven samples with two places each; 9 is ignored. */
const GIVEN = [0, 1, 9, 9, 1, 9, 2, 2, 9, 9, 9, 9, 9, 9];

function sharesOf(weights?: number[]): { shares: CountedShares; read: number[] } {
  const read: number[] = [];
  const fill = (start: number, samples: number, target: Uint8Array) => {
    read.push(start);
    const labels = BigInt64Array.from(GIVEN.slice(2 * start, 2 * (start + samples)), BigInt);
    target.set(new Uint8Array(labels.buffer));
  };
  const source: BatchSource = {
    samples: 7,
    validationSamples: 7,
    fill: (_value, { start, samples }, target) => fill(start, samples, target),
    fillValidation: (_value, start, samples, target) => fill(start, samples, target),
  };
  const counts = { labels: "labels", ignored: 9, ...(weights === undefined ? {} : { weights }) };
  const counted: Port = { value: "counted", dtype: "float32", dims: [], counts };
  return { shares: new CountedShares(source, [LABELS, counted], 4), read };
}

async function ratios(shares: CountedShares): Promise<number[]> {
  const calendar = new Calendar({
    ...{ epochs: 1, samples: 7, batch_size: 4, micro_batches: 2, update_frequency: 1 },
    ...{ validation_samples: 0, validation_every: 0 },
  });
  const found: number[] = [];
  for (let m = 0; m < calendar.microBatches; m++) {
    const place = calendar.place(m);
    await shares.begin(place);
    const target = new Uint8Array(4);
    shares.fill("counted", place, target);
    found.push(new DataView(target.buffer).getFloat32(0, true));
  }
  return found;
}

Deno.test("a micro-batch's share goes by what counts in the whole batch, read once", async () => {
  const { shares, read } = sharesOf();
  // First batch: 2 + 0 places count, then 1 + 2; the second has none that count.
  assert.deepEqual(await ratios(shares), [2 / 5, 3 / 5, 0, 0].map((x) => Math.fround(2 * x)));
  assert.deepEqual(read, [0, 4]);
});

Deno.test("classes count by their weights", async () => {
  const { shares } = sharesOf([1, 2, 0.5]);
  const found = await ratios(shares);
  assert.deepEqual(found, [2 * 3 / 6, 2 * 3 / 6, 0, 0].map(Math.fround));
});

Deno.test("a validation's mean is over what counts in the whole set, looked at once", async () => {
  const { shares, read } = sharesOf();
  assert.equal(shares.beginValidation(), shares.beginValidation());
  await shares.beginValidation();
  assert.deepEqual(read, [0, 4], "in batches");
  // 5 of 14 places count: 3 in the first three samples, 2 in the fourth.
  const target = new Uint8Array(4);
  const ratio = (start: number, samples: number) => {
    shares.fillValidation("counted", { start, samples }, target);
    return new DataView(target.buffer).getFloat32(0, true);
  };
  const shown = [ratio(0, 3), ratio(3, 1), ratio(4, 3)];
  assert.deepEqual(shown, [3 / 5 * 7 / 3, 2 / 5 * 7, 0].map(Math.fround));
  assert.ok(shares.has("counted") && !shares.has("labels"));
});
