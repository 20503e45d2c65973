import assert from "node:assert/strict";

/** A process of its own, since blocks that others freed before may serve again. */
const PROGRAM = `
import { releaseFreedBlocks } from ${JSON.stringify(new URL("heap.ts", import.meta.url).href)};
const libc = Deno.dlopen("libc.so.6", {
  malloc: { parameters: ["usize"], result: "pointer" },
  free: { parameters: ["pointer"], result: "void" },
  gnu_get_libc_version: { parameters: [], result: "pointer" },
});
releaseFreedBlocks();
const places = [16, 2, 1].map((megabytes) => {
  const block = libc.symbols.malloc(BigInt(megabytes * 2 ** 20));
  const place = Deno.UnsafePointer.value(block) % 4096n;
  libc.symbols.free(block);
  return Number(place);
});
console.log(JSON.stringify(places));
`;

/** glibc, where this system has it. */
function hasGlibc(): boolean {
  try {
    Deno.dlopen("libc.so.6", {
      gnu_get_libc_version: { parameters: [], result: "pointer" },
    }).close();
    return Deno.build.os === "linux";
  } catch {
    return false;
  }
}

Deno.test({
  name: "a large block has pages of its own, also after another was freed",
  ignore: !hasGlibc(),
  fn: async () => {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", "--ext=ts", PROGRAM],
    }).output();
    const decoder = new TextDecoder();
    // Behind the header of 16 bytes at the start of a page.
    assert.equal(decoder.decode(stdout).trim(), "[16,16,16]", decoder.decode(stderr));
  },
});
