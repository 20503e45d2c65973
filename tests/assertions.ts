import assert from "node:assert/strict";

/**
 * Asserts that a command said one line of its own on standard error: no stack, nothing of Deno's.
 *
 * @returns the line
 */
export function assertOneLine({ err }: { readonly err: string }): string {
  const lines = err.split("\n");
  assert.deepEqual([lines.length, lines.at(-1)], [2, ""], err);
  assert.match(lines[0]!, /^ravn: \S/);
  return lines[0]!;
}
