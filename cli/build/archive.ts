import { archive, type ArchiveFile } from "./tar.ts";

/** Bytes before the archive: the launcher, filled up to a round number. */
const LAUNCHER_BYTES = 4096;
/** Hexadecimal digits of the content's hash that name a version in the cache. */
const HASH_LENGTH = 20;

const LAUNCHER = new URL("launcher.sh", import.meta.url);

/** What the launcher has to find among the unpacked files. `deno` is always one of them. */
export interface Contents {
  readonly files: readonly ArchiveFile[];
  /** Path of the program's first module. */
  readonly main: string;
  /** Path of ONNX Runtime's library. */
  readonly library: string;
}

/**
 * Writes `target`: a shell script followed by a gzipped tar of `contents`. Started, it unpacks into
 * a cache in a folder named by the contents' hash, and runs `main` with the packed `deno`.
 */
export async function writeSelfExtracting(target: string, contents: Contents): Promise<void> {
  const marker = { path: ".complete", bytes: new Uint8Array(0), executable: false };
  const packed = await gzip(archive([...contents.files, marker]));
  const launcher = await launcherFor(contents, LAUNCHER_BYTES + packed.length);
  await Deno.writeFile(target, ReadableStream.from([launcher, packed]), { mode: 0o755 });
}

async function gzip(blocks: Iterable<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = ReadableStream.from(blocks).pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** The launcher with its places filled in, and filled up to `LAUNCHER_BYTES` with a comment. */
async function launcherFor(contents: Contents, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const values: Readonly<Record<string, string>> = {
    HASH: await hashOf(contents.files),
    HASH_LENGTH: String(HASH_LENGTH),
    OFFSET: String(LAUNCHER_BYTES + 1),
    SIZE: String(size),
    MAIN: contents.main,
    LIBRARY: contents.library,
  };
  const template = await Deno.readTextFile(LAUNCHER);
  const script = template.replaceAll(/@([A-Z_]+)@/g, (_, name: string) => values[name] ?? "");
  const filler = "#".repeat(LAUNCHER_BYTES - script.length - 1);
  return new TextEncoder().encode(`${script}${filler}\n`);
}

/** SHA-256 over names, modes, lengths and bytes, cut to `HASH_LENGTH` digits. */
async function hashOf(files: readonly ArchiveFile[]): Promise<string> {
  const parts = files.flatMap(({ path, executable, bytes }) => [
    `${path} ${executable} ${bytes.length}\n`,
    bytes,
  ]);
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  return new Uint8Array(digest).toHex().slice(0, HASH_LENGTH);
}
