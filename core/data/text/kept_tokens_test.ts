import assert from "node:assert/strict";
import { join } from "node:path";
import { assertRefused, tempFolder } from "../testing.ts";
import { keptTokens } from "./kept_tokens.ts";
import type { KeptText } from "./kept_tokens.ts";

const IDS = [Int32Array.of(1, 2, -3), Int32Array.of(4)];

/** A text in a folder, and what is kept of it. */
async function opened() {
  const folder = await tempFolder();
  const kept = join(folder.path, "tokens");
  const text: KeptText = {
    source: join(folder.path, "*.txt"),
    tokenizer: await folder.file("tokenizer.json", "{}"),
    layout: "stream",
  };
  await folder.file("a.txt", "one");
  const told: string[] = [];
  /** Whether the ids were made, not found. */
  const isMade = async (of: Partial<KeptText> = {}): Promise<boolean> => {
    let made = 0;
    const make = () => Promise.resolve((made++, IDS));
    const warn = (message: string) => void told.push(message);
    assert.deepEqual(await keptTokens({ ...text, ...of }, { folder: kept, warn }, make), IDS);
    return made === 1;
  };
  const files = async () => (await Array.fromAsync(Deno.readDir(kept))).map(({ name }) => name);
  return { ...folder, kept, told, isMade, files };
}

Deno.test("tokens are made once for a content of text, tokenizer and layout", async () => {
  await using it = await opened();
  const { isMade } = it;
  assert.deepEqual([await isMade(), await isMade()], [true, false]);
  await it.file("b.txt", "two");
  assert.deepEqual([await isMade(), await isMade()], [true, false], "another file fits");
  await it.file("a.txt", "other");
  assert.deepEqual([await isMade(), await isMade()], [true, false], "a file has changed");
  await it.file("tokenizer.json", "{ }");
  assert.deepEqual([await isMade(), await isMade()], [true, false], "the tokenizer has changed");
  assert.equal((await it.files()).length, 1, "what is out of date is replaced");
  assert.deepEqual([await isMade({ layout: "lines of 8" }), await isMade()], [true, false]);
  assert.equal((await it.files()).length, 2);
  assert.ok(await isMade({ tokenizer: "bytes" }) && await isMade({ tokenizer: "bytes" }));
  assert.deepEqual(it.told, []);
});

Deno.test("damaged tokens are made anew, with a warning", async () => {
  await using it = await opened();
  assert.ok(await it.isMade());
  const [name] = await it.files();
  const file = join(it.kept, name!);
  const good = await Deno.readFile(file);
  const damages = [good.with(-1, good.at(-1)! ^ 1), good.subarray(0, 40), new Uint8Array(0)];
  for (const [i, damaged] of damages.entries()) {
    await Deno.writeFile(file, damaged);
    assert.deepEqual([await it.isMade(), await it.isMade()], [true, false]);
    assert.equal(it.told.length, i + 1);
    assert.match(it.told[i]!, /^kept tokens are damaged and made anew: .*\.safetensors: /);
    assert.deepEqual(await Deno.readFile(file), good);
  }
  assert.equal((await it.files()).length, 1, "nothing is left aside");
});

Deno.test("tokens that cannot be kept are a warning, a missing text is an error", async () => {
  await using it = await opened();
  await it.file("tokens", "a file where the folder should be");
  assert.deepEqual([await it.isMade(), await it.isMade()], [true, true]);
  assert.match(it.told[0]!, /^the tokens of .*\*\.txt are not kept: /);
  await assertRefused(
    () => it.isMade({ source: join(it.path, "c.txt") }),
    /c\.txt: no such file; expected one there/,
  );
});
