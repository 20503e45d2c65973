import assert from "node:assert/strict";
import { join } from "node:path";
import { RavnError } from "../error.ts";
import { readColumn } from "../data/mod.ts";
import { dataConvert } from "./data_convert.ts";
import { dataInfo } from "./data_info.ts";
import { dataMake } from "./data_make.ts";
import { MADE_KINDS } from "./data_requests.ts";
import { dataSample } from "./data_sample.ts";

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "ravn-test-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const MADE = { samples: 12, classes: 3, length: 4, seed: 1, force: false } as const;

Deno.test("what is made up can be described, converted and looked at", () =>
  inFolder(async (folder) => {
    for (const kind of MADE_KINDS) {
      const out = join(folder, kind);
      const report = await dataMake({ ...MADE, kind, out });
      assert.equal(report.samples, 12);
      await assert.rejects(
        () => dataMake({ ...MADE, kind, out }),
        /is there already; give --force/,
      );
    }
    const images = join(folder, "tiny_imagenet", "train");
    const info = await dataInfo({ path: images, check: true });
    assert.deepEqual(info.classes?.map(({ samples }) => samples), [4, 4, 4]);
    assert.deepEqual(info.rows.map(({ dims, samples }) => [dims, samples]), [[[3, 64, 64], 12]]);
    const validation = await dataInfo({ path: join(folder, "tiny_imagenet", "val"), check: false });
    assert.deepEqual(
      validation.classes?.map(({ name }) => name),
      info.classes?.map(({ name }) => name),
    );
    const cifar = await dataInfo({
      path: join(folder, "cifar10", "data_batch_*.bin"),
      check: false,
    });
    assert.deepEqual(cifar.rows.map(({ dims, samples }) => [dims, samples]), [
      [[3, 32, 32], 12],
      [[], 12],
    ]);
    const [to, labels] = [join(folder, "x.npy"), join(folder, "y.safetensors")];
    await dataConvert({ source: images, to, labels, size: 16, force: false });
    assert.deepEqual((await readColumn(to)).dims, [3, 16, 16]);
    const table = join(folder, "y.parquet");
    await dataConvert({ source: labels, to: table, force: false });
    const y = await readColumn(table);
    assert.deepEqual([...new Int32Array(y.bytes.buffer)], [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    const config = join(folder, "ravn.yaml");
    const transform = "[{type: center_crop, size: 40}, {type: normalise, mean: [0.5], std: [0.2]}]";
    await Deno.writeTextFile(
      config,
      `model: m.onnx\ndata:\n  workers: 0\n  train: {images: tiny_imagenet/train, labels: folder,` +
        ` transform: ${transform}}\n`,
    );
    const request = { config, set: [], part: "train", count: 3, epoch: 0 } as const;
    const sample = await dataSample({ ...request, out: join(folder, "look") });
    const look = await dataInfo({ path: join(folder, "look"), check: true });
    assert.equal(sample.files.length, 3);
    assert.deepEqual(look.rows.map(({ dims }) => dims), [[3, 40, 40]]);
  }));

Deno.test("a damaged picture is named by a check, a member that is no array by its problem", () =>
  inFolder(async (folder) => {
    await dataMake({ ...MADE, kind: "pictures", out: folder });
    await Deno.writeTextFile(join(folder, "train", "class_1", "1.png"), "no png");
    const { damaged } = await dataInfo({ path: join(folder, "train"), check: true });
    assert.match(damaged?.join() ?? "", /class_1\/1\.png: is no picture that ravn reads/);
    const missing = dataInfo({ path: join(folder, "x.npy"), check: false });
    await assert.rejects(missing, (thrown) => {
      assert.ok(thrown instanceof RavnError);
      assert.match(thrown.message, /x\.npy: no such file/);
      return true;
    });
  }));
