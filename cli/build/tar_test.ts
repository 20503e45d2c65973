import assert from "node:assert/strict";
import { archive, type ArchiveFile } from "./tar.ts";

Deno.test("tar reads what we write", async () => {
  const files: ArchiveFile[] = [
    { path: "bin/run", bytes: new TextEncoder().encode("#!/bin/sh\n"), executable: true },
    { path: "data", bytes: new Uint8Array(1024).fill(7), executable: false },
    { path: "empty", bytes: new Uint8Array(0), executable: false },
  ];
  const folder = await Deno.makeTempDir();
  try {
    const blob = new Blob([...archive(files)]);
    assert.equal(blob.size % 512, 0);
    await Deno.writeFile(`${folder}/a.tar`, new Uint8Array(await blob.arrayBuffer()));
    const tar = new Deno.Command("tar", { args: ["-xf", "a.tar"], cwd: folder });
    assert.deepEqual(await tar.output().then(({ code, stderr }) => [code, stderr.length]), [0, 0]);
    for (const { path, bytes, executable } of files) {
      assert.deepEqual(await Deno.readFile(`${folder}/${path}`), bytes);
      const { mode } = await Deno.stat(`${folder}/${path}`);
      assert.equal(((mode ?? 0) & 0o100) !== 0, executable, path);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a name that does not fit is refused", () => {
  const file = { path: "a".repeat(101), bytes: new Uint8Array(0), executable: false };
  assert.throws(() => [...archive([file])], /too long/);
});
