import assert from "node:assert/strict";
import { join } from "node:path";
import { assertRefused, tempFolder } from "./testing.ts";
import { writeWhole } from "./write.ts";

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

Deno.test("writeWhole writes bytes, text and pieces, over an old file too", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "out.bin");
  async function* pieces() {
    yield new Uint8Array([1, 2]);
    yield await Promise.resolve(new Uint8Array([3]));
  }
  await writeWhole(path, "text");
  assert.equal(await Deno.readTextFile(path), "text");
  await writeWhole(path, new Uint8Array([9, 8]));
  assert.deepEqual([...await Deno.readFile(path)], [9, 8]);
  await writeWhole(path, [new Uint8Array([5]), new Uint8Array([6])]);
  assert.deepEqual([...await Deno.readFile(path)], [5, 6]);
  await writeWhole(path, pieces());
  assert.deepEqual([...await Deno.readFile(path)], [1, 2, 3]);
  assert.deepEqual(names(folder.path), ["out.bin"]);
});

Deno.test("writeWhole leaves the old file and nothing beside it when it fails", async () => {
  await using folder = await tempFolder();
  const path = await folder.file("out.bin", "old");
  function* failing() {
    yield new Uint8Array([1]);
    throw new Error("the source broke");
  }
  await assertRefused(() => writeWhole(path, failing()), /cannot be written: the source broke/);
  assert.equal(await Deno.readTextFile(path), "old");
  assert.deepEqual(names(folder.path), ["out.bin"]);
});

Deno.test("writeWhole says when the folder is missing", async () => {
  await using folder = await tempFolder();
  await assertRefused(
    () => writeWhole(join(folder.path, "no", "out.bin"), "x"),
    /no\/out\.bin: cannot be written: its folder does not exist/,
  );
});
