import assert from "node:assert/strict";
import { join } from "node:path";
import { sentenceTokenizer } from "../data/mod.ts";
import type { Port } from "../training/mod.ts";
import { RunData } from "./run_data.ts";

const PORTS: Port[] = ["tokens", "ravn.labels"].map((value) => ({
  value,
  dtype: "int64",
  dims: [{ perSample: 1 }, 4],
}));

Deno.test("a run keeps the tokens of its texts, and tells where they were damaged", async () => {
  const home = await Deno.makeTempDir({ prefix: "ravn-run-data-" });
  try {
    const tokens = join(home, "tokens");
    const part = async (name: string, text: string) => {
      await Deno.writeTextFile(join(home, name), text);
      return { text: join(home, name), tokenizer: join(home, "tokenizer.json"), block_size: 4 };
    };
    await Deno.writeTextFile(join(home, "tokenizer.json"), sentenceTokenizer());
    const options = {
      train: await part("train.txt", "a b c d e f g h i j k"),
      validation: await part("validation.txt", "k j i h g f e"),
      ...{ shuffle: false, workers: 0, seed: 1, tokens },
    };
    const told: string[] = [];
    const opened = async () => {
      using data = await RunData.open(PORTS, {
        ...options,
        warn: (message) => void told.push(message),
      });
      const [train, validation] = [new BigInt64Array(4), new BigInt64Array(4)];
      data.fill("tokens", { epoch: 0, start: 1, samples: 1 }, new Uint8Array(train.buffer));
      data.fillValidation("ravn.labels", 0, 1, new Uint8Array(validation.buffer));
      return [[...train], [...validation]];
    };
    const first = await opened();
    const names = (await Array.fromAsync(Deno.readDir(tokens))).map(({ name }) => name);
    assert.equal(names.length, 2, "training and validation data");
    assert.deepEqual([await opened(), told], [first, []]);
    await Deno.truncate(join(tokens, names[0]!), 50);
    assert.deepEqual(await opened(), first);
    assert.equal(told.length, 1);
    assert.match(told[0]!, /^kept tokens are damaged/);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
