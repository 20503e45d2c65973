import { messageOf, RavnError } from "../error.ts";

/** Largest file that is read whole, in bytes; larger ones want an npz, safetensors or a split. */
export const FILE_BYTES_MAX = 2 ** 33;

/** An open file of known size, read by ranges. Close it by `using`. */
export interface RangeReader extends Disposable {
  /** Path, for error messages. */
  readonly file: string;
  /** Bytes in the file when it was opened. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes from `offset` into fresh memory.
   *
   * @throws {RavnError} when the range does not lie in the file.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Memory for `bytes` bytes of `what`, or a RavnError that says how much was asked for. */
export function allocate(bytes: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (thrown) {
    throw new RavnError(`${what}: no memory for ${bytes} bytes`, { exitCode: 1, cause: thrown });
  }
}

function asRavnError(file: string, thrown: unknown): RavnError {
  if (thrown instanceof RavnError) return thrown;
  if (thrown instanceof Deno.errors.NotFound) {
    return new RavnError(
      `${file}: no such file; expected one there, relative paths start in ` +
        Deno.cwd(),
      { cause: thrown },
    );
  }
  return new RavnError(`${file}: cannot be read: ${messageOf(thrown)}`, { cause: thrown });
}

async function fill(file: Deno.FsFile, target: Uint8Array): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const count = await file.read(target.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return filled;
}

/**
 * Opens a file for reading by ranges.
 *
 * @throws {RavnError} when it does not exist, is no file or may not be read.
 */
export async function openRanges(path: string): Promise<RangeReader> {
  let handle: Deno.FsFile;
  let size: number;
  try {
    handle = await Deno.open(path, { read: true });
    const stat = await handle.stat();
    if (!stat.isFile) {
      handle.close();
      throw new RavnError(`${path}: is no regular file`);
    }
    size = stat.size;
  } catch (thrown) {
    throw asRavnError(path, thrown);
  }
  return {
    file: path,
    size,
    async read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > size) {
        throw new RavnError(
          `${path}: expected ${length} bytes at ${offset}, the file ends at ${size}`,
        );
      }
      const bytes = allocate(length, path);
      try {
        await handle.seek(offset, Deno.SeekMode.Start);
        if (await fill(handle, bytes) < length) {
          throw new RavnError(`${path}: became shorter while it was read`, { exitCode: 1 });
        }
      } catch (thrown) {
        throw asRavnError(path, thrown);
      }
      return bytes;
    },
    [Symbol.dispose]: () => handle.close(),
  };
}

/**
 * Reads a file whole.
 *
 * @throws {RavnError} when it cannot be read or has more than `bytesMax` bytes.
 */
export async function readWhole(
  path: string,
  bytesMax: number = FILE_BYTES_MAX,
): Promise<Uint8Array<ArrayBuffer>> {
  using file = await openRanges(path);
  if (file.size > bytesMax) {
    throw new RavnError(`${path}: has ${file.size} bytes, at most ${bytesMax} are read`);
  }
  return await file.read(0, file.size);
}
