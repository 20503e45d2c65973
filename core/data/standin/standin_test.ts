import assert from "node:assert/strict";
import { Random } from "../../random.ts";
import { tempFolder } from "../testing.ts";
import { readDataset } from "../part.ts";
import { parseTokenizer } from "../text/tokenizer.ts";
import { scene } from "./scenes.ts";
import { sentences, sentenceTokenizer } from "./sentences.ts";
import { IGNORED, sorterSamples } from "./sorter.ts";

Deno.test("the sorter's labels are the sorted sequence, and its two parts never meet", () => {
  const options = { length: 6, classes: 3, samples: 400, seed: 42 };
  const rows = (part: "train" | "validation") => {
    const { inputs, labels } = sorterSamples({ ...options, part });
    assert.deepEqual(inputs.dims, [400, 11]);
    const [x, y] = [inputs, labels].map(({ bytes }) => new BigInt64Array(bytes.buffer));
    return Array.from({ length: 400 }, (_, i) => {
      const row = (values: BigInt64Array) => [...values.subarray(11 * i, 11 * i + 11)].map(Number);
      return { x: row(x!), y: row(y!) };
    });
  };
  const seen = new Set<string>();
  for (const { x, y } of rows("train")) {
    const sequence = x.slice(0, 6);
    assert.deepEqual(y.slice(0, 5), Array(5).fill(IGNORED));
    assert.deepEqual(y.slice(5), sequence.toSorted());
    assert.deepEqual(x.slice(6), y.slice(5, 10));
    seen.add(sequence.join());
  }
  assert.ok(rows("validation").every(({ x }) => !seen.has(x.slice(0, 6).join())));
  assert.deepEqual(rows("train"), rows("train"));
});

Deno.test("made-up text is known to its tokenizer, and can be masked", async () => {
  await using folder = await tempFolder();
  const written = sentences(60, new Random(1));
  const tokenizer = parseTokenizer(sentenceTokenizer(), "t.json");
  const unknown = tokenizer.idOf("[UNK]")!;
  assert.ok(!tokenizer.encode(written).includes(unknown));
  const text = await folder.file("a.txt", written);
  const file = await folder.file("tokenizer.json", sentenceTokenizer());
  const dataset = await readDataset({ text, tokenizer: file, block_size: 32, task: "masked" });
  assert.ok(dataset.count > 10);
});

Deno.test("made-up pictures of two classes differ more than two of one", () => {
  const random = new Random(2);
  const mean = (label: number) => {
    const { data } = scene(label, 4, 16, random);
    return [0, 1, 2].map((c) => data.filter((_, i) => i % 3 === c).reduce((a, b) => a + b) / 256);
  };
  const distance = (a: number[], b: number[]) => Math.hypot(...a.map((v, i) => v - b[i]!));
  assert.ok(distance(mean(0), mean(0)) < 20);
  assert.ok(distance(mean(0), mean(2)) > 50);
});
