import assert from "node:assert/strict";
import { encodePng } from "../images/png_write.ts";
import { type DataFiles, readDataset } from "../part.ts";
import { SampleReader } from "../reader.ts";
import { assertRefused, type TempFolder, tempFolder } from "../testing.ts";
import { openPool } from "./pool.ts";

const CLASSES = ["ant", "bee", "cat"];

/** A folder of 8×6 pictures, four a class, each of a colour of its own. */
async function pictures(): Promise<TempFolder> {
  const folder = await tempFolder();
  for (const [c, name] of CLASSES.entries()) {
    await Deno.mkdir(`${folder.path}/${name}/images`, { recursive: true });
    for (let i = 0; i < 4; i++) {
      const data = Uint8Array.from({ length: 8 * 6 * 3 }, (_, at) => 40 * c + 10 * i + at % 7);
      const png = encodePng({ width: 8, height: 6, channels: 3, data });
      await folder.file(`${name}/images/${i}.png`, png);
    }
  }
  return folder;
}

const RANDOM: DataFiles["transform"] = [
  { type: "random_resized_crop", size: 4, scale: [0.2, 1], ratio: [0.75, 4 / 3] },
  { type: "horizontal_flip", p: 0.5 },
  { type: "normalise", mean: [0.5], std: [0.25] },
];

interface Batches {
  readonly images: Float32Array[];
  readonly labels: number[][];
  readonly warnings: string[];
}

/** Reads two epochs in batches of `batch`. */
async function batches(
  part: DataFiles,
  o: { workers: number; batch: number; dims?: number[]; epochs?: number[] },
): Promise<Batches> {
  const dataset = await readDataset(part);
  const dims = o.dims ?? [3, 4, 4];
  const feeds = [
    ...dataset.inputFeeds([{ name: "x", dtype: "float32", dims }]),
    ...dataset.labelFeeds([{ name: "y", dtype: "int64", dims: [] }]),
  ];
  using pool = openPool(o.workers);
  const warnings: string[] = [];
  const reader = new SampleReader({
    dataset,
    feeds,
    seed: 5,
    shuffle: true,
    anew: true,
    pool: () => pool,
    stream: 0,
    warn: (message) => warnings.push(message),
  });
  const [images, labels]: [Float32Array[], number[][]] = [[], []];
  const elements = dims.reduce((a, b) => a * b);
  for (const epoch of o.epochs ?? [0, 1]) {
    for (let start = 0; start < reader.count; start += o.batch) {
      const samples = Math.min(o.batch, reader.count - start);
      await reader.ready({ epoch, start, samples });
      const x = new Float32Array(samples * elements);
      const y = new BigInt64Array(samples);
      reader.take("x", { epoch, start, samples }, new Uint8Array(x.buffer));
      reader.take("y", { epoch, start, samples }, new Uint8Array(y.buffer));
      for (let i = 0; i < samples; i++) images.push(x.slice(i * elements, (i + 1) * elements));
      labels.push([...y].map(Number));
    }
  }
  return { images, labels, warnings };
}

Deno.test("samples depend on seed, epoch and sample, not on threads or batches", async () => {
  await using folder = await pictures();
  const part: DataFiles = { images: folder.path, labels: "folder", transform: RANDOM };
  const one = await batches(part, { workers: 0, batch: 12 });
  const three = await batches(part, { workers: 3, batch: 5 });
  assert.deepEqual(three.images, one.images);
  assert.deepEqual(three.labels.flat(), one.labels.flat());
  assert.equal(one.images.length, 24);
  const second = await batches(part, { workers: 1, batch: 7, epochs: [1] });
  assert.deepEqual(second.images, one.images.slice(12));
  assert.notDeepEqual(one.images.slice(0, 12).map(String).sort(), second.images.map(String).sort());
  for (const epoch of [one.labels.flat().slice(0, 12), second.labels.flat()]) {
    assert.deepEqual([0, 1, 2].map((c) => epoch.filter((label) => label === c).length), [4, 4, 4]);
  }
});

Deno.test("pictures in arrays are made as those in files", async () => {
  await using folder = await pictures();
  const { writeNpy } = await import("../npy.ts");
  const bytes = new Uint8Array(12 * 3 * 6 * 8);
  const planar = (c: number, i: number) => {
    for (let at = 0; at < 8 * 6 * 3; at++) {
      const to = (c * 4 + i) * 144 + (at % 3) * 48 + Math.floor(at / 3);
      bytes[to] = 40 * c + 10 * i + at % 7;
    }
  };
  for (let c = 0; c < 3; c++) for (let i = 0; i < 4; i++) planar(c, i);
  const inputs = await folder.file(
    "x.npy",
    new Uint8Array(
      await new Blob(writeNpy({ dtype: "uint8", dims: [12, 3, 6, 8], bytes })).arrayBuffer(),
    ),
  );
  const labels = await folder.file("y.csv", "y\n0\n0\n0\n0\n1\n1\n1\n1\n2\n2\n2\n2\n");
  const fromFiles = await batches(
    { images: folder.path, labels: "folder", transform: RANDOM },
    { workers: 0, batch: 4 },
  );
  const fromArray = await batches({ inputs, labels, transform: RANDOM }, { workers: 2, batch: 4 });
  assert.deepEqual(fromArray.images, fromFiles.images);
  assert.deepEqual(fromArray.labels, fromFiles.labels);
});

Deno.test("an array too large for memory is read sample by sample", async () => {
  await using folder = await tempFolder();
  const { writeNpy } = await import("../npy.ts");
  const values = BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i) * 1000n);
  const tensor = { dtype: "int64", dims: [10, 4], bytes: new Uint8Array(values.buffer) } as const;
  const file = await folder.file(
    "x.npy",
    new Uint8Array(await new Blob(writeNpy(tensor)).arrayBuffer()),
  );
  for (const dtype of ["int64", "float32"] as const) {
    const read = async (memoryMax: number) => {
      const dataset = await readDataset({ inputs: file }, undefined, { memoryMax });
      assert.equal(dataset.made === undefined, memoryMax > 100);
      const feeds = dataset.inputFeeds([{ name: "x", dtype, dims: [4] }]);
      using pool = openPool(1);
      const options = { dataset, feeds, seed: 3, shuffle: true, anew: true, stream: 0 };
      const reader = new SampleReader({ ...options, pool: () => pool, warn: () => {} });
      const at = { epoch: 1, start: 2, samples: 6 };
      await reader.ready(at);
      const target = new Uint8Array(6 * 4 * (dtype === "int64" ? 8 : 4));
      reader.take("x", at, target);
      return target;
    };
    assert.deepEqual(await read(100), await read(1e6));
  }
  const large = await readDataset({ inputs: file }, undefined, { memoryMax: 100 });
  assert.throws(
    () => large.inputFeeds([{ name: "x", dtype: "int32", dims: [4] }]),
    /x\.npy: makes int64 for input "x", which takes int32/,
  );
});

Deno.test("a damaged picture ends the run by name, or is left out with its label", async () => {
  await using folder = await pictures();
  await folder.file("bee/images/1.png", new Uint8Array(100));
  const part: DataFiles = { images: folder.path, labels: "folder", transform: RANDOM };
  for (const workers of [0, 2]) {
    await assertRefused(
      () => batches(part, { workers, batch: 4 }),
      /bee\/images\/1\.png: is no picture that ravn reads/,
    );
  }
  const found = await batches({ ...part, on_error: "skip" }, { workers: 2, batch: 4 });
  assert.ok(found.warnings.length >= 1);
  assert.match(found.warnings[0]!, /bee\/images\/1\.png/);
  assert.equal(found.images.length, 24);
  // bee/2 stands in for bee/1; both are bees.
  assert.equal(found.labels.flat().filter((label) => label === 1).length, 8);
  for (const name of CLASSES) {
    for (let i = 0; i < 4; i++) await folder.file(`${name}/images/${i}.png`, "no picture");
  }
  await assertRefused(
    () => batches({ ...part, on_error: "skip" }, { workers: 1, batch: 4 }),
    /12 samples in a row cannot be read/,
  );
});

Deno.test("pictures are decoded once: what is kept serves later epochs", async () => {
  await using folder = await pictures();
  const part: DataFiles = { images: folder.path, labels: "folder", transform: RANDOM };
  const all = await batches(part, { workers: 0, batch: 5 });
  const dataset = await readDataset(part);
  const feeds = dataset.inputFeeds([{ name: "x", dtype: "float32", dims: [3, 4, 4] }]);
  using pool = openPool(2);
  const reader = new SampleReader({
    ...{ dataset, feeds, seed: 5, shuffle: true, anew: true, stream: 0 },
    pool: () => pool,
    warn: () => {},
  });
  await reader.ready({ epoch: 0, start: 0, samples: 12 });
  for (const name of CLASSES) await Deno.remove(`${folder.path}/${name}`, { recursive: true });
  const at = { epoch: 1, start: 0, samples: 12 };
  await reader.ready(at);
  const x = new Float32Array(12 * 48);
  reader.take("x", at, new Uint8Array(x.buffer));
  assert.deepEqual([...x], all.images.slice(12).flatMap((image) => [...image]));
});

Deno.test("what was asked for before a damaged picture is still given", async () => {
  await using folder = await pictures();
  await folder.file("cat/images/3.png", new Uint8Array(100));
  const dataset = await readDataset({ images: folder.path, labels: "folder", transform: RANDOM });
  const feeds = dataset.inputFeeds([{ name: "x", dtype: "float32", dims: [3, 4, 4] }]);
  for (const workers of [0, 2]) {
    using pool = openPool(workers);
    const reader = new SampleReader({
      ...{ dataset, feeds, seed: 1, shuffle: false, anew: true, stream: 0 },
      pool: () => pool,
      warn: () => {},
    });
    for (let start = 0; start < 8; start += 4) {
      await reader.ready({ epoch: 0, start, samples: 4 });
      reader.take("x", { epoch: 0, start, samples: 4 }, new Uint8Array(4 * 4 * 48));
    }
    await assertRefused(
      async () => await reader.ready({ epoch: 0, start: 8, samples: 4 }),
      /cat\/images\/3\.png/,
    );
  }
});

Deno.test("pictures of unequal size need a step that makes them equal", async () => {
  await using folder = await pictures();
  const part: DataFiles = { images: folder.path, labels: "folder" };
  const data = new Uint8Array(5 * 5 * 3);
  await folder.file("cat/images/2.png", encodePng({ width: 5, height: 5, channels: 3, data }));
  await assertRefused(
    () => batches(part, { workers: 0, batch: 12, dims: [3, 6, 8] }),
    /cat\/images\/2\.png: has 5×5 pixels where .*ant\/images\/0\.png has 8×6; add a resize/,
  );
  await assertRefused(
    () => batches(part, { workers: 0, batch: 12, dims: [3, 4, 4] }),
    /wrong shape for input "x": the file has \[batch,3,6,8\], the model takes \[batch,3,4,4\]/,
  );
});

Deno.test("validation numbers its classes as training does, and must have the same", async () => {
  await using training = await pictures();
  await using validation = await pictures();
  const part = (images: string): DataFiles => ({ images, labels: "folder" });
  const read = () => readDataset(part(validation.path), part(training.path));
  await Deno.rename(`${validation.path}/bee`, `${validation.path}/elk`);
  await assertRefused(read, /has the class "elk", which .* lacks/);
  await Deno.remove(`${validation.path}/elk`, { recursive: true });
  await assertRefused(
    read,
    /has no class "bee", which .* has; add pictures of it, or an empty folder/,
  );
  await Deno.mkdir(`${validation.path}/bee`);
  const labels = [...(await read()).labels.values()][0]!;
  assert.deepEqual([...new Int32Array(labels.bytes.buffer)], [0, 0, 0, 0, 2, 2, 2, 2]);
  await assertRefused(
    () => readDataset(part(`${training.path}/nowhere`)),
    /nowhere: no such folder/,
  );
  await Deno.mkdir(`${training.path}/ant/empty`);
  await assertRefused(() => readDataset(part(`${training.path}/ant/empty`)), /holds no pictures/);
});

Deno.test("Tiny ImageNet's table of validation classes is read", async () => {
  await using folder = await pictures();
  await Deno.rename(`${folder.path}/ant/images`, `${folder.path}/images`);
  for (const name of CLASSES) await Deno.remove(`${folder.path}/${name}`, { recursive: true });
  const rows = ["0.png\tcat\t0\t0\t62\t57", "1.png\tant\t0\t0\t1\t1", "2.png\tcat\t1\t1\t2\t2"];
  await folder.file("val_annotations.txt", `${rows.join("\n")}\n`);
  const { labels, count } = await readDataset({ images: folder.path, labels: "folder" });
  assert.equal(count, 3);
  assert.deepEqual([...new Int32Array(labels.get("")!.bytes.buffer)], [1, 0, 1]);
});
