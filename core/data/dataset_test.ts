import assert from "node:assert/strict";
import { tensor } from "../onnx/tensor.ts";
import { columnOf, readColumn } from "./column.ts";
import { Dataset, slotOf, slotOfFact } from "./dataset.ts";
import type { Gather } from "./gather.ts";
import { readDataset } from "./part.ts";
import { checkClasses, isOneHot } from "./labels.ts";
import { writeNpy } from "./npy.ts";
import { assertRefused, fixture, tempFolder } from "./testing.ts";

const image = { name: "x", dtype: "float32", dims: [1, 8, 8] } as const;
const digits = (part: string) => ({
  inputs: fixture(`digits/x_${part}.npy`),
  labels: fixture(`digits/y_${part}.npy`),
});

function column(source: string, dims: number[], values: number[]) {
  return columnOf(tensor("int64", dims, values), source);
}

Deno.test("the digits are read and gathered as the model takes them", async () => {
  const data = await readDataset(digits("train"));
  assert.equal(data.count, 1078);
  const [input] = data.inputFeeds([image]);
  const [label] = data.labelFeeds([{ name: "labels", dtype: "float32", dims: [10] }]);
  assert.equal(input!.sampleBytes, 256);
  const pixels = new Float32Array(2 * 64);
  (input!.from as Gather)([5, 1077], new Uint8Array(pixels.buffer));
  assert.ok(pixels.every((pixel) => pixel >= 0 && pixel <= 16) && Math.max(...pixels) === 16);
  const hot = new Float32Array(10);
  (label!.from as Gather)([5], new Uint8Array(hot.buffer));
  assert.equal(hot.reduce((sum, value) => sum + value), 1);
});

Deno.test("one-hot and index labels of the digits agree", async () => {
  for (const [part, count] of [["train", 1078], ["val", 719]] as const) {
    const hot = await readColumn(fixture(`digits/y_${part}.npy`));
    const index = await readColumn(fixture(`digits/y_${part}_index.npy`));
    assert.deepEqual([hot.count, index.count, hot.dims, index.dims], [count, count, [10], []]);
    assert.ok(isOneHot(hot) && !isOneHot(index));
    checkClasses(index, 10);
    const labels = new BigInt64Array(index.bytes.slice().buffer);
    labels.forEach((label, row) => assert.equal(hot.bytes[10 * row + Number(label)], 1));
  }
});

Deno.test("a flat file feeds a shaped input of as many elements", async () => {
  await using folder = await tempFolder();
  const flat = tensor("uint8", [2, 64], Array.from({ length: 128 }, (_, i) => i));
  const bytes = new Uint8Array(writeNpy(flat).flatMap((piece) => [...piece]));
  const data = await readDataset({ inputs: await folder.file("x.npy", bytes) });
  assert.deepEqual(data.inputFeeds([image])[0]!.dims, [1, 8, 8]);
});

Deno.test("axes may be joined or parted, but not change places", () => {
  const feeds = (dims: number[], slot: number[]) => {
    const size = dims.reduce((a, b) => a * b);
    const data = new Dataset(
      new Map([["", column("x.npy", dims, new Array(size).fill(0))]]),
      new Map(),
    );
    return data.inputFeeds([{ name: "x", dtype: "float32", dims: slot }])[0]!.dims;
  };
  for (
    const dims of [[3, 8, 8], [3, 64], [192], [1, 3, 8, 8], [3, 8, 1, 8], [24, 8], [3, 8, 2, 4]]
  ) {
    assert.deepEqual(feeds([2, ...dims], [3, 8, 8]), [3, 8, 8]);
  }
  for (const dims of [[8, 8, 3], [8, 3, 8], [64, 3], [6, 32]]) {
    assert.throws(
      () => feeds([2, ...dims], [3, 8, 8]),
      /x\.npy: has the wrong shape for input "x"/,
    );
  }
});

Deno.test("files of another number of samples are refused", async () => {
  const files = { inputs: digits("train").inputs, labels: digits("val").labels };
  await assertRefused(
    () => readDataset(files),
    /x_train\.npy has 1078 samples, \S*y_val\.npy 719; expected as many in both/,
  );
});

Deno.test("a wrong shape names the file and both shapes", async () => {
  const data = new Dataset(
    new Map([["", column("x.npy", [3, 63], Array(189).fill(0))]]),
    new Map(),
  );
  await assertRefused(
    () => data.inputFeeds([image]),
    /^x\.npy: .* input "x": the file has \[batch,63\], the model takes \[batch,1,8,8\]$/,
  );
  await assertRefused(
    () => data.inputFeeds([{ ...image, dims: [undefined, 9] }]),
    /the model takes \[batch,\?,9\]/,
  );
  const free = data.inputFeeds([{ ...image, dims: [undefined] }]);
  assert.deepEqual(free[0]!.dims, [63]);
});

Deno.test("columns are matched to inputs by name", async () => {
  const two = [{ name: "a", dtype: "float32", dims: [] }, {
    name: "b",
    dtype: "int64",
    dims: [],
  }] as const;
  const a = column("a.npy", [2], [1, 2]);
  const b = column("b.npy", [2], [3, 4]);
  const data = new Dataset(new Map([["b", b], ["a", a]]), new Map());
  assert.deepEqual(data.inputFeeds(two).map(({ name, dtype }) => [name, dtype]), [
    ["a", "float32"],
    ["b", "int64"],
  ]);
  await assertRefused(
    () => new Dataset(new Map([["c", a]]), new Map()).inputFeeds(two),
    /^a\.npy: the model has no input "c"; it has a, b$/,
  );
  await assertRefused(
    () => new Dataset(new Map([["a", a]]), new Map()).inputFeeds(two),
    /no data file for input "b"/,
  );
  await assertRefused(
    () => new Dataset(new Map([["", a]]), new Map()).inputFeeds(two),
    /the model has 2 inputs \(a, b\); expected a map of input name to file/,
  );
});

Deno.test("a label out of range names file, row, label and classes", async () => {
  await assertRefused(
    () => checkClasses(column("y_train.npy", [3], [0, 9, 12]), 10),
    /^y_train\.npy: row 2: label 12 is out of range, the model has 10 classes \(0\.\.9\)$/,
  );
  await assertRefused(
    () => checkClasses(column("y.npy", [1], [-1]), 10),
    /label -1 is out of range/,
  );
  checkClasses(column("y.npy", [2], [-100, 3]), 10, -100);
  const half = columnOf(tensor("float32", [1], [0.5]), "y.csv");
  await assertRefused(() => checkClasses(half, 2), /label 0\.5 is no integer/);
});

Deno.test("slots come from graph inputs and from traced values", () => {
  assert.deepEqual(
    slotOf({ name: "x", dtype: "float32", shape: ["batch", 1, "h"] }),
    { name: "x", dtype: "float32", dims: [1, undefined] },
  );
  const fact = { dtype: "float32", dims: [{ perSample: 1 }, 10] } as const;
  assert.deepEqual(slotOfFact("y", fact), { name: "y", dtype: "float32", dims: [10] });
});

Deno.test("readColumn tells what it cannot read", async () => {
  await using folder = await tempFolder();
  await assertRefused(() => readColumn("nowhere/x.npy"), /^nowhere\/x\.npy: no such file/);
  await assertRefused(
    () => readColumn("x.feather"),
    /x\.feather: unknown kind of data file; known/,
  );
  await assertRefused(() => readColumn(`${folder.path}/`), /unknown kind/);
  await Deno.mkdir(`${folder.path}/d.npy`);
  await assertRefused(() => readColumn(`${folder.path}/d.npy`), /d\.npy: is no regular file/);
  await assertRefused(() => readColumn("x.npy#a"), /holds one array; write it without "#a"/);
  await assertRefused(() => readColumn(fixture("arrays/single.npy")), /holds a single number/);
  await assertRefused(
    () => readColumn(fixture("arrays/empty.npy")),
    /is empty, its shape is \[0,3\]/,
  );
  const csv = await folder.file("t.csv", "x,y\n1,2\n3,4\n");
  assert.deepEqual((await readColumn(`${csv}#y`)).dims, []);
  assert.deepEqual((await readColumn(csv)).dims, [2]);
});
