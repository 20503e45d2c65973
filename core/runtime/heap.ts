const SYMBOLS = { mallopt: { parameters: ["i32", "i32"], result: "i32" } } as const;

/** Parameter of glibc's `mallopt` (malloc.h). */
const M_MMAP_THRESHOLD = -3;

/** Size from which a block has pages of its own. */
const MMAP_BYTES_MIN = 2 ** 18;

/**
 * Lets the C library give large blocks back to the system as soon as they are freed. Left to itself
 * glibc keeps what is smaller than the largest block that was ever freed (up to 32 MiB), so that a
 * process that has once loaded a model holds holes of that size for ever. With another C library
 * nothing happens.
 */
export function releaseFreedBlocks(): void {
  if (Deno.build.os !== "linux") return;
  try {
    const libc = Deno.dlopen("libc.so.6", SYMBOLS);
    libc.symbols.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES_MIN);
    libc.close();
  } catch {
    // A C library without mallopt.
  }
}
