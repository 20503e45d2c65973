import { createHash } from "node:crypto";
import { openRanges } from "./read.ts";

/** Bytes that are read at a time. */
const PIECE_BYTES = 1 << 20;

/**
 * SHA-256 of a file in hex; only a piece of it is in memory at a time.
 *
 * @throws {RavnError} naming the file where it cannot be read
 */
export async function fileHash(path: string): Promise<string> {
  using file = await openRanges(path);
  const hash = createHash("sha256");
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    hash.update(await file.read(at, Math.min(PIECE_BYTES, file.size - at)));
  }
  return hash.digest("hex");
}
