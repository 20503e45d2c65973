import assert from "node:assert/strict";
import { readColumn } from "../column.ts";
import { assertRefused, tempFolder } from "../testing.ts";

/** Records of labels and 3072 pixels, all of the value of the record's number. */
function records(labels: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(labels.flatMap((row, i) => [...row, ...Array(3072).fill(i)]));
}

Deno.test("CIFAR's batches are read in the order of their numbers", async () => {
  await using folder = await tempFolder();
  for (const batch of [1, 2, 10]) {
    await folder.file(`data_batch_${batch}.bin`, records([[batch % 10], [9]]));
  }
  const pattern = `${folder.path}/data_batch_*.bin`;
  const images = await readColumn(pattern);
  assert.deepEqual([images.dtype, images.dims, images.count], ["uint8", [3, 32, 32], 6]);
  assert.deepEqual([images.bytes[0], images.bytes[3072]], [0, 1]);
  assert.deepEqual([...(await readColumn(`${pattern}#labels`)).bytes], [1, 9, 2, 9, 0, 9]);
});

Deno.test("CIFAR-100 has coarse and fine labels", async () => {
  await using folder = await tempFolder();
  const file = await folder.file("train.bin", records([[3, 99], [19, 0]]));
  assert.deepEqual([...(await readColumn(`${file}#fine`)).bytes], [99, 0]);
  assert.deepEqual([...(await readColumn(`${file}#coarse`)).bytes], [3, 19]);
  await assertRefused(() => readColumn(`${file}#labels`), /holds 3 tensors, write not "labels"/);
});

Deno.test("a damaged CIFAR file and a pattern without files are named", async () => {
  await using folder = await tempFolder();
  const short = await folder.file("a.bin", records([[1]]).subarray(1));
  await assertRefused(() => readColumn(short), /a\.bin: is no CIFAR file: its 3072 bytes are not/);
  const wrong = await folder.file("b.bin", records([[10]]));
  await assertRefused(() => readColumn(wrong), /b\.bin: is no CIFAR file/);
  await assertRefused(() => readColumn(`${folder.path}/c*.bin`), /no file in .* has such a name/);
  await assertRefused(() => readColumn("nowhere/c*.bin"), /there is no folder nowhere/);
});
