import { crc32, inflateSync } from "node:zlib";
import { RavnError } from "../../error.ts";
import { type Picture, PIXELS_MAX } from "./picture.ts";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Deflate makes at most 1032 bytes of one. */
const DEFLATE_RATIO_MAX = 1032;

/** Samples a pixel by colour type: grey, colour, palette, grey with alpha, colour with alpha. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Bits a sample may have by colour type. */
const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** Passes of an interlaced picture (Adam7): first column and row, then the steps between them. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const ONE_PASS = [[0, 0, 1, 1]] as const;

type Pass = readonly [x: number, y: number, dx: number, dy: number];

/** What the header of a PNG file says. */
export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. */
  readonly depth: number;
  readonly colour: number;
  readonly interlaced: boolean;
}

function damaged(file: string, what: string): RavnError {
  return new RavnError(`${file}: is a damaged png: ${what}`, { exitCode: 1 });
}

/** True where `bytes` begin like a PNG file. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads the header of a PNG file.
 *
 * @throws {RavnError} naming the file, when it is damaged or claims more than `PIXELS_MAX` pixels.
 */
export function readPngHeader(bytes: Uint8Array, file: string): PngHeader {
  if (bytes.length < 33) throw damaged(file, "it ends inside its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(8) !== 13 || view.getUint32(12) !== 0x49484452) {
    throw damaged(file, "its first chunk is not the header");
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, colour] = [bytes[24]!, bytes[25]!];
  if (!DEPTHS[colour]?.includes(depth) || bytes[26] !== 0 || bytes[27] !== 0 || bytes[28]! > 1) {
    throw damaged(file, `colour type ${colour} with ${depth} bits is unknown`);
  }
  if (width === 0 || height === 0 || width * height > PIXELS_MAX) {
    throw damaged(file, `it claims ${width}×${height} pixels, at most ${PIXELS_MAX} are read`);
  }
  return { width, height, depth, colour, interlaced: bytes[28] === 1 };
}

interface Chunks {
  readonly palette: Uint8Array | undefined;
  readonly packed: Uint8Array;
}

/** Collects palette and pixel chunks, their check sums compared. */
function readChunks(bytes: Uint8Array, file: string): Chunks {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let palette: Uint8Array | undefined;
  for (let at = 8;;) {
    if (at + 12 > bytes.length) throw damaged(file, "it ends before its last chunk");
    const length = view.getUint32(at);
    const type = view.getUint32(at + 4);
    if (at + 12 + length > bytes.length) throw damaged(file, "it ends inside a chunk");
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw damaged(file, `the check sum of the chunk at byte ${at} is wrong`);
    }
    if (type === 0x49444154) parts.push(content); // IDAT
    else if (type === 0x504c5445) palette = content; // PLTE
    else if (type === 0x49454e44) break; // IEND
    at += 12 + length;
  }
  if (parts.length === 1) return { palette, packed: parts[0]! };
  const packed = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    packed.set(part, filled);
    filled += part.length;
  }
  return { palette, packed };
}

function passesOf(header: PngHeader): { pass: Pass; columns: number; rows: number }[] {
  const passes: readonly Pass[] = header.interlaced ? ADAM7 : ONE_PASS;
  return passes.map((pass) => {
    const [x, y, dx, dy] = pass;
    const columns = Math.max(0, Math.ceil((header.width - x) / dx));
    const rows = Math.max(0, Math.ceil((header.height - y) / dy));
    return { pass, columns, rows };
  }).filter(({ columns, rows }) => columns > 0 && rows > 0);
}

function inflate(packed: Uint8Array, expected: number, file: string): Uint8Array {
  if (expected > packed.length * DEFLATE_RATIO_MAX) {
    throw damaged(file, `${packed.length} bytes cannot hold its ${expected} bytes of pixels`);
  }
  let plain: Uint8Array;
  try {
    plain = inflateSync(packed, { maxOutputLength: expected });
  } catch (thrown) {
    throw damaged(file, `its pixels cannot be unpacked (${String(thrown).slice(0, 60)})`);
  }
  if (plain.length !== expected) {
    throw damaged(file, `it holds ${plain.length} bytes of pixels, expected ${expected}`);
  }
  return plain;
}

/** Undoes the filter of a row in place (PNG specification, 9.2); `above` is the row before it. */
function unfilter(
  kind: number,
  row: Uint8Array,
  above: Uint8Array | undefined,
  step: number,
): boolean {
  const n = row.length;
  if (kind === 0) return true;
  if (kind === 1) {
    for (let i = step; i < n; i++) row[i] = row[i]! + row[i - step]!;
  } else if (kind === 2) {
    if (above !== undefined) { for (let i = 0; i < n; i++) row[i] = row[i]! + above[i]!; }
  } else if (kind === 3) {
    for (let i = 0; i < n; i++) {
      row[i] = row[i]! + (((i < step ? 0 : row[i - step]!) + (above?.[i] ?? 0)) >> 1);
    }
  } else if (kind === 4) {
    for (let i = 0; i < n; i++) {
      const a = i < step ? 0 : row[i - step]!;
      const b = above?.[i] ?? 0;
      const c = i < step ? 0 : above?.[i - step] ?? 0;
      const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
      row[i] = row[i]! + (pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
    }
  } else return false;
  return true;
}

/** Sample `index` of a row as 8 bits. */
function sampleOf(row: Uint8Array, index: number, depth: number, scale: number): number {
  if (depth === 8) return row[index]!;
  if (depth === 16) return row[2 * index]!;
  const perByte = 8 / depth;
  const shift = 8 - depth * (index % perByte + 1);
  return ((row[Math.floor(index / perByte)]! >> shift) & ((1 << depth) - 1)) * scale;
}

/**
 * Decodes a PNG file (W3C PNG specification, third edition): every colour type and depth, also
 * interlaced. Grey stays grey, a palette becomes colours, 16 bits keep their upper 8, alpha is
 * dropped.
 *
 * @param picture what the pixels are written to; its memory is kept where it is enough.
 * @throws {RavnError} naming the file, where it is damaged. Memory is taken only for as many pixels
 *   as so many bytes can hold.
 */
export function decodePng(bytes: Uint8Array, file: string, picture: Picture): void {
  const header = readPngHeader(bytes, file);
  const { palette, packed } = readChunks(bytes, file);
  const { width, height, depth, colour } = header;
  const samples = SAMPLES[colour]!;
  const rowBytes = (columns: number) => Math.ceil(columns * samples * depth / 8);
  const passes = passesOf(header);
  const expected = passes.reduce((sum, p) => sum + p.rows * (1 + rowBytes(p.columns)), 0);
  const plain = inflate(packed, expected, file);
  if (colour === 3 && palette === undefined) throw damaged(file, "its palette is missing");
  const channels = colour === 0 || colour === 4 ? 1 : 3;
  const size = width * height * channels;
  if (picture.data.length < size) picture.data = new Uint8Array(size);
  Object.assign(picture, { width, height, channels });
  const step = Math.max(1, samples * depth >> 3);
  let at = 0;
  for (const { pass, columns, rows } of passes) {
    const length = rowBytes(columns);
    let above: Uint8Array | undefined;
    for (let r = 0; r < rows; r++) {
      const kind = plain[at]!;
      const row = plain.subarray(at + 1, at + 1 + length);
      if (!unfilter(kind, row, above, step)) throw damaged(file, `filter ${kind} is unknown`);
      writeRow(picture, row, { header, palette, pass, columns, y: pass[1] + r * pass[3] });
      above = row;
      at += 1 + length;
    }
  }
}

interface Row {
  readonly header: PngHeader;
  readonly palette: Uint8Array | undefined;
  readonly pass: Pass;
  readonly columns: number;
  readonly y: number;
}

function writeRow(picture: Picture, row: Uint8Array, o: Row): void {
  const { data, width, channels } = picture;
  const { depth, colour } = o.header;
  const samples = SAMPLES[colour]!;
  const start = o.y * width * channels;
  if (depth === 8 && samples === channels && o.pass[2] === 1 && colour !== 3) {
    data.set(row, start);
    return;
  }
  const scale = colour === 3 ? 1 : depth < 8 ? 255 / ((1 << depth) - 1) : 1;
  for (let i = 0; i < o.columns; i++) {
    const to = start + (o.pass[0] + i * o.pass[2]) * channels;
    if (o.palette !== undefined && colour === 3) {
      const entry = 3 * sampleOf(row, i, depth, 1);
      for (let c = 0; c < 3; c++) data[to + c] = o.palette[entry + c] ?? 0;
    } else {
      for (let c = 0; c < channels; c++) {
        data[to + c] = sampleOf(row, i * samples + c, depth, scale);
      }
    }
  }
}
