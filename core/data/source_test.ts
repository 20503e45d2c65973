import assert from "node:assert/strict";
import { formatOf, parseSource } from "./source.ts";

Deno.test("a source is a path with an optional part behind #", () => {
  assert.deepEqual(parseSource("a/b.npy"), { path: "a/b.npy" });
  assert.deepEqual(parseSource("a/b.npz#x"), { path: "a/b.npz", member: "x" });
});

Deno.test("the name of a file tells its format", () => {
  const cases = {
    "x.npy": "npy",
    "X.NPZ": "npz",
    "t10k-images-idx3-ubyte.gz": "idx",
    "train-labels.idx1-ubyte": "idx",
    "images.idx": "idx",
    "labels.idx.gz": "idx",
    "emnist-letters-train-images-idx3-ubyte": "idx",
    "a.csv": "csv",
    "a.tsv": "csv",
    "w.safetensors": "safetensors",
    "idx": undefined,
    "a.txt": undefined,
    "npy": undefined,
  };
  for (const [name, format] of Object.entries(cases)) assert.equal(formatOf(name), format, name);
});
