/** `mallopt` of glibc (malloc.h), and the size from which a block has pages of its own. */
const SYMBOLS = { mallopt: { parameters: ["i32", "i32"], result: "i32" } } as const;
const M_MMAP_THRESHOLD = -3;
const MMAP_BYTES_MIN = 2 ** 18;

/**
 * Lets the C library give large blocks back to the system as soon as they are freed. Left to itself
 * glibc raises the size of what it keeps to that of the largest block ever freed (up to 32 MiB), and
 * a process that has once loaded a model holds holes of that size for ever. Other C libraries give
 * memory back anyway; nothing happens there.
 */
export function releaseFreedBlocks(): void {
  if (Deno.build.os !== "linux") return;
  try {
    const libc = Deno.dlopen("libc.so.6", SYMBOLS);
    libc.symbols.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
  } catch {
    // A C library without mallopt.
  }
}
