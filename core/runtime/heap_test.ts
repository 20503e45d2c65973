import assert from "node:assert/strict";
import { releaseFreedBlocks } from "./heap.ts";

const SYMBOLS = {
  malloc: { parameters: ["usize"], result: "pointer" },
  free: { parameters: ["pointer"], result: "void" },
  gnu_get_libc_version: { parameters: [], result: "pointer" },
} as const;

/** glibc, where this system has it. */
function glibc(): Deno.DynamicLibrary<typeof SYMBOLS> | undefined {
  try {
    return Deno.build.os === "linux" ? Deno.dlopen("libc.so.6", SYMBOLS) : undefined;
  } catch {
    return undefined;
  }
}

Deno.test("a large block has pages of its own, also after another was freed", () => {
  const libc = glibc();
  if (libc === undefined) return;
  const { malloc, free } = libc.symbols;
  try {
    releaseFreedBlocks();
    for (const megabytes of [16, 2, 1]) {
      const block = malloc(BigInt(megabytes * 2 ** 20));
      // Behind the header of 16 bytes at the start of a page.
      assert.equal(Deno.UnsafePointer.value(block) % 4096n, 16n);
      free(block);
    }
  } finally {
    libc.close();
  }
});
