import { RavnError } from "../error.ts";
import type { RangeReader } from "./read.ts";
import { crc32, inflateRawSync } from "node:zlib";

/** A file inside a zip archive. */
export interface ZipEntry {
  readonly name: string;
  /** 0 is stored, 8 is deflate. */
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Where the entry's local header starts. */
  readonly offset: number;
}

const END_BYTES = 22;
const COMMENT_BYTES_MAX = 65_535;
const LOCAL_BYTES = 30;
const ENTRY_BYTES = 46;
/** Deflate makes at most 1032 bytes of one. */
const DEFLATE_RATIO_MAX = 1032;
const DIRECTORY_BYTES_MAX = 2 ** 26;
const UNKNOWN_32 = 0xffffffff;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(file: string, what: string): RavnError {
  return new RavnError(`${file}: is a damaged zip archive: ${what}`);
}

/** Finds the central directory: its place, size and number of entries (APPNOTE 4.3.14–16). */
async function findDirectory(
  archive: RangeReader,
): Promise<{ offset: number; bytes: number; entries: number }> {
  const length = Math.min(archive.size, END_BYTES + COMMENT_BYTES_MAX);
  const tailStart = archive.size - length;
  const tail = viewOf(await archive.read(tailStart, length));
  let at = length - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== 0x06054b50) at--;
  if (at < 0) throw new RavnError(`${archive.file}: is no zip archive (its end record is missing)`);
  let entries = tail.getUint16(at + 10, true);
  let bytes = tail.getUint32(at + 12, true);
  let offset = tail.getUint32(at + 16, true);
  if (entries === 0xffff || bytes === UNKNOWN_32 || offset === UNKNOWN_32) {
    const locator = viewOf(await archive.read(tailStart + at - 20, 20));
    if (locator.getUint32(0, true) !== 0x07064b50) {
      throw damaged(archive.file, "no zip64 record");
    }
    const end = viewOf(await archive.read(Number(locator.getBigUint64(8, true)), 56));
    if (end.getUint32(0, true) !== 0x06064b50) throw damaged(archive.file, "no zip64 end record");
    entries = Number(end.getBigUint64(32, true));
    bytes = Number(end.getBigUint64(40, true));
    offset = Number(end.getBigUint64(48, true));
  }
  if (bytes > DIRECTORY_BYTES_MAX || entries * ENTRY_BYTES > bytes) {
    throw damaged(archive.file, `${entries} entries do not fit a directory of ${bytes} bytes`);
  }
  return { offset, bytes, entries };
}

/** Sizes and offset that do not fit 32 bits stand in extra field 1, in this order, only those. */
function readZip64(
  directory: DataView,
  at: number,
  end: number,
  sizes: [bytes: number, packedBytes: number, offset: number],
): void {
  while (at + 4 <= end) {
    const id = directory.getUint16(at, true);
    const fieldEnd = at + 4 + directory.getUint16(at + 2, true);
    if (id === 1) {
      let next = at + 4;
      for (let i = 0; i < sizes.length; i++) {
        if (sizes[i] !== UNKNOWN_32 || next + 8 > Math.min(fieldEnd, end)) continue;
        sizes[i] = Number(directory.getBigUint64(next, true));
        next += 8;
      }
      return;
    }
    at = fieldEnd;
  }
}

/**
 * The entries of a zip archive, from its central directory (PKWARE APPNOTE 6.3.10; zip64 too).
 *
 * @throws {RavnError} when it is no zip archive or a damaged one.
 */
export async function listZip(archive: RangeReader): Promise<ZipEntry[]> {
  if (archive.size < END_BYTES) throw new RavnError(`${archive.file}: is no zip archive`);
  const place = await findDirectory(archive);
  const bytes = await archive.read(place.offset, place.bytes);
  const directory = viewOf(bytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let i = 0; i < place.entries; i++) {
    if (at + ENTRY_BYTES > bytes.length || directory.getUint32(at, true) !== 0x02014b50) {
      throw damaged(archive.file, `entry ${i} of its directory is missing`);
    }
    const nameEnd = at + ENTRY_BYTES + directory.getUint16(at + 28, true);
    const extraEnd = nameEnd + directory.getUint16(at + 30, true);
    if (extraEnd > bytes.length) throw damaged(archive.file, `entry ${i} is cut short`);
    if ((directory.getUint16(at + 8, true) & 1) !== 0) {
      throw new RavnError(`${archive.file}: is encrypted; expected a plain archive`);
    }
    const sizes: [number, number, number] = [
      directory.getUint32(at + 24, true),
      directory.getUint32(at + 20, true),
      directory.getUint32(at + 42, true),
    ];
    readZip64(directory, nameEnd, extraEnd, sizes);
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + ENTRY_BYTES, nameEnd)),
      method: directory.getUint16(at + 10, true),
      crc: directory.getUint32(at + 16, true),
      bytes: sizes[0],
      packedBytes: sizes[1],
      offset: sizes[2],
    });
    at = extraEnd + directory.getUint16(at + 32, true);
  }
  return entries;
}

/**
 * The content of one entry, unpacked and checked against its size and CRC-32.
 *
 * @throws {RavnError} when it is damaged or packed by another method than deflate.
 */
export async function readZipEntry(
  archive: RangeReader,
  entry: ZipEntry,
): Promise<Uint8Array<ArrayBuffer>> {
  const where = `${archive.file}#${entry.name}`;
  const local = viewOf(await archive.read(entry.offset, LOCAL_BYTES));
  if (local.getUint32(0, true) !== 0x04034b50) throw damaged(where, "its local header is missing");
  // The local lengths of name and extra field differ from those in the directory.
  const start = entry.offset + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  if (entry.bytes > entry.packedBytes * (entry.method === 0 ? 1 : DEFLATE_RATIO_MAX)) {
    throw damaged(where, `${entry.packedBytes} packed bytes cannot hold ${entry.bytes}`);
  }
  const packed = await archive.read(start, entry.packedBytes);
  const bytes = entry.method === 0 ? packed : inflate(packed, entry, where);
  if (bytes.length !== entry.bytes) {
    throw damaged(where, `it has ${bytes.length} bytes, its directory says ${entry.bytes}`);
  }
  if (crc32(bytes) !== entry.crc) throw damaged(where, "its checksum is wrong");
  return bytes;
}

function inflate(packed: Uint8Array, entry: ZipEntry, where: string): Uint8Array<ArrayBuffer> {
  if (entry.method !== 8) {
    throw new RavnError(`${where}: is packed by method ${entry.method}; known are stored, deflate`);
  }
  try {
    return new Uint8Array(inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.bytes) }));
  } catch (thrown) {
    throw new RavnError(`${where}: cannot be unpacked, the archive is damaged`, { cause: thrown });
  }
}
