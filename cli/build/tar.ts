/** A file for an archive; `path` is relative, with `/`, and at most 100 bytes long. */
export interface ArchiveFile {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly executable: boolean;
}

const BLOCK_BYTES = 512;
const encoder = new TextEncoder();

/**
 * The files as a POSIX.1-1988 (ustar) archive, block by block, in the given order. Times and owners
 * are 0, so that equal files make equal archives.
 */
export function* archive(files: readonly ArchiveFile[]): Generator<Uint8Array<ArrayBuffer>> {
  for (const file of files) {
    yield header(file);
    yield file.bytes;
    yield new Uint8Array((BLOCK_BYTES - file.bytes.length % BLOCK_BYTES) % BLOCK_BYTES);
  }
  yield new Uint8Array(2 * BLOCK_BYTES);
}

/** The block before a file: fields of fixed width, numbers in octal, a sum over the block. */
function header(file: ArchiveFile): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK_BYTES);
  const text = (at: number, value: string) => block.set(encoder.encode(value), at);
  const number = (at: number, digits: number, value: number) =>
    text(at, value.toString(8).padStart(digits, "0"));
  if (encoder.encode(file.path).length > 100) throw new Error(`${file.path}: the name is too long`);
  text(0, file.path);
  number(100, 7, file.executable ? 0o755 : 0o644);
  number(108, 7, 0); // owner
  number(116, 7, 0); // group
  number(124, 11, file.bytes.length);
  number(136, 11, 0); // time of change
  text(148, " ".repeat(8)); // the sum is taken with blanks in its own place
  text(156, "0"); // a regular file
  text(257, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}
