import { messageOf, RavnError } from "../error.ts";
import { basename, dirname, join } from "node:path";

/** What a file is made of: bytes, text, or pieces in order. */
export type Content = Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}

async function writeContent(file: Deno.FsFile, content: Content): Promise<void> {
  if (typeof content === "string") await writeAll(file, new TextEncoder().encode(content));
  else if (content instanceof Uint8Array) await writeAll(file, content);
  else for await (const piece of content) await writeAll(file, piece);
}

/** Makes a rename in `folder` survive a power cut; systems that cannot sync a folder skip it. */
async function syncFolder(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using handle = await Deno.open(folder, { read: true });
  await handle.sync();
}

/**
 * Writes a file so that it is there whole or not at all: aside in the same folder, synced, then
 * renamed over `path`. Whoever reads `path` meanwhile sees the old content. A failure leaves the
 * old file as it was and nothing beside it.
 *
 * @throws {RavnError} with exit code 1 when the folder is missing, full or not writable.
 */
export async function writeWhole(path: string, content: Content): Promise<void> {
  const folder = dirname(path);
  const aside = join(folder, `.${basename(path)}.${crypto.randomUUID()}.part`);
  try {
    using file = await Deno.open(aside, { write: true, createNew: true });
    await writeContent(file, content);
    await file.sync();
  } catch (thrown) {
    await Deno.remove(aside).catch(() => {});
    throw asWriteError(path, thrown);
  }
  try {
    await Deno.rename(aside, path);
    await syncFolder(folder);
  } catch (thrown) {
    await Deno.remove(aside).catch(() => {});
    throw asWriteError(path, thrown);
  }
}

function asWriteError(path: string, thrown: unknown): RavnError {
  if (thrown instanceof RavnError) return thrown;
  const why = thrown instanceof Deno.errors.NotFound
    ? `its folder does not exist (${dirname(path)})`
    : messageOf(thrown);
  return new RavnError(`${path}: cannot be written: ${why}`, { exitCode: 1, cause: thrown });
}
