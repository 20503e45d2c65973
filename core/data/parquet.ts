import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type SchemaTree,
  snappyUncompress,
} from "hyparquet";
import { messageOf, RavnError } from "../error.ts";
import { byteCount, type DType, DTYPES, elementCount, type Tensor } from "../onnx/tensor.ts";
import { allocate, FILE_BYTES_MAX, type RangeReader } from "./read.ts";

/** A page holds at most this much once it is unpacked; writers make pages of about 1 MB. */
const PAGE_BYTES_MAX = 2 ** 28;
/** Snappy makes at most 64 bytes of 3. */
const SNAPPY_RATIO_MAX = 22;

/** Element types by parquet's physical types. */
const KINDS: Readonly<Record<string, DType>> = {
  BOOLEAN: "bool",
  INT32: "int32",
  INT64: "int64",
  FLOAT: "float32",
  DOUBLE: "float64",
};

function damaged(file: string, thrown: unknown): RavnError {
  if (thrown instanceof RavnError) return thrown;
  const what = messageOf(thrown).replaceAll(/\s+/g, " ").slice(0, 100);
  return new RavnError(`${file}: is a damaged parquet file: ${what}`, { cause: thrown });
}

function bounded(unpack: (packed: Uint8Array, size: number) => Uint8Array, ratio = 1100) {
  return (packed: Uint8Array, size: number) => {
    if (size > PAGE_BYTES_MAX || size > packed.length * ratio + 64) {
      throw new Error(`${packed.length} bytes cannot hold a page of ${size}`);
    }
    return unpack(packed, size);
  };
}

const COMPRESSORS: Compressors = {
  SNAPPY: bounded((packed, size) => {
    const page = new Uint8Array(size);
    snappyUncompress(packed, page);
    return page;
  }, SNAPPY_RATIO_MAX),
  GZIP: bounded((packed, size) => gunzipSync(packed, { maxOutputLength: Math.max(1, size) })),
  BROTLI: bounded(
    (packed, size) => brotliDecompressSync(packed, { maxOutputLength: Math.max(1, size) }),
    2 ** 16,
  ),
  ZSTD: bounded(
    (packed, size) => zstdDecompressSync(packed, { maxOutputLength: Math.max(1, size) }),
    2 ** 16,
  ),
};

/** A parquet file's footer, read and its sizes checked. */
interface Table {
  readonly file: string;
  readonly buffer: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly rows: number;
  readonly columns: ReadonlyMap<string, SchemaTree>;
}

async function openTable(reader: RangeReader): Promise<Table> {
  const { file, size } = reader;
  let last: Promise<unknown> = Promise.resolve();
  const buffer: AsyncBuffer = {
    byteLength: size,
    // One after another: the file has one position, and columns are asked for side by side.
    slice(start, end = size) {
      const read = last.then(() => reader.read(start, end - start)).then(({ buffer }) => buffer);
      last = read.catch(() => {});
      return read;
    },
  };
  if (size < 12) throw new RavnError(`${file}: is no parquet file`);
  try {
    const metadata = await parquetMetadataAsync(buffer, { geoparquet: false });
    const groups = metadata.row_groups.map(({ num_rows }) => Number(num_rows));
    const rows = groups.reduce((sum, count) => sum + count, 0);
    if (!groups.every((count) => count >= 0) || !Number.isSafeInteger(rows) || rows >= 2 ** 32) {
      throw new Error(`it claims ${rows} rows`);
    }
    const { children } = parquetSchema(metadata);
    const columns = new Map(children.map((child) => [child.element.name, child]));
    return { file, buffer, metadata, rows, columns };
  } catch (thrown) {
    throw damaged(file, thrown);
  }
}

/**
 * The names of a parquet table's columns.
 *
 * @throws {RavnError} naming the file, where it is damaged.
 */
export async function parquetColumns(reader: RangeReader): Promise<string[]> {
  return [...(await openTable(reader)).columns.keys()];
}

/** The physical type of a column's values; through lists of lists to their elements. */
function leafType(tree: SchemaTree): string {
  return tree.children.length === 1
    ? leafType(tree.children[0]!)
    : tree.children.length > 1
    ? "groups of columns"
    : tree.element.type ?? "nothing";
}

/** Shape of a value: empty for a number, a length for each level of lists. */
function shapeOf(value: unknown): number[] {
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) return [];
  const list = value as ArrayLike<unknown>;
  return [list.length, ...(list.length === 0 ? [] : shapeOf(list[0]))];
}

/** Places numbers, one after another, into an array of the column's type. */
class Filler {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #set: (at: number, value: unknown) => void;
  #at = 0;

  constructor(
    readonly source: string,
    dtype: DType,
    readonly dims: readonly number[],
    rows: number,
  ) {
    const size = byteCount(dtype, [rows, ...dims]);
    if (size > FILE_BYTES_MAX) {
      throw new RavnError(`${source}: takes ${size} bytes, at most ${FILE_BYTES_MAX} are read`);
    }
    this.bytes = allocate(size, source);
    const { buffer } = this.bytes;
    if (dtype === "int64") {
      const view = new BigInt64Array(buffer);
      this.#set = (at, value) => view[at] = BigInt(value as bigint | number);
    } else {
      const View = { bool: Uint8Array, int32: Int32Array, float32: Float32Array }[
        dtype as "bool" | "int32" | "float32"
      ] ?? Float64Array;
      const view = new View(buffer);
      this.#set = (at, value) => view[at] = Number(value);
    }
  }

  /** Writes the value of row `row`, which has the shape of the first. */
  put(row: number, value: unknown): void {
    this.#at = row * elementCount(this.dims);
    this.#place(row, value, 0);
  }

  #place(row: number, value: unknown, level: number): void {
    if (level < this.dims.length) {
      const list = (value ?? []) as ArrayLike<unknown>;
      if (list.length !== this.dims[level]) {
        throw new RavnError(
          `${this.source}: row ${row} has a list of ${list.length} values where row 0 has ` +
            `${this.dims[level]}; expected equally long ones`,
        );
      }
      for (let i = 0; i < list.length; i++) this.#place(row, list[i], level + 1);
      return;
    }
    if (!["number", "bigint", "boolean"].includes(typeof value)) {
      const what = value === null || value === undefined ? "no value" : "no number";
      throw new RavnError(`${this.source}: row ${row} has ${what}; expected a number in each row`);
    }
    this.#set(this.#at++, value);
  }
}

async function readOne(table: Table, name: string): Promise<Tensor> {
  const { file, buffer, metadata, rows, columns } = table;
  const source = `${file}#${name}`;
  const type = leafType(columns.get(name)!);
  const dtype = KINDS[type];
  if (dtype === undefined) {
    throw new RavnError(`${source}: holds ${type}; expected numbers or lists of numbers`);
  }
  let filler: Filler | undefined;
  let failure: unknown;
  let filled = 0;
  try {
    await parquetRead({
      file: buffer,
      metadata,
      columns: [name],
      compressors: COMPRESSORS,
      geoparquet: false,
      onChunk: ({ columnData, rowStart }) => {
        try {
          filler ??= new Filler(source, dtype, shapeOf(columnData[0]), rows);
          for (let i = 0; i < columnData.length; i++) filler.put(rowStart + i, columnData[i]);
          filled += columnData.length;
        } catch (thrown) {
          failure ??= thrown;
        }
      },
    });
  } catch (thrown) {
    throw damaged(file, failure ?? thrown);
  }
  if (failure !== undefined) throw damaged(file, failure);
  if (filler === undefined || filled !== rows) {
    throw damaged(file, `it holds ${filled} rows of "${name}", its header says ${rows}`);
  }
  return { dtype, dims: [rows, ...filler.dims], bytes: filler.bytes };
}

/** Columns of one number a row, side by side; float64 where their types differ. */
function beside(tensors: readonly Tensor[], file: string): Tensor {
  const [first] = tensors as [Tensor];
  if (tensors.some(({ dims }) => dims.length > 1)) {
    throw new RavnError(`${file}: columns of lists cannot stand beside others; name one alone`);
  }
  const same = tensors.every(({ dtype }) => dtype === first.dtype);
  const dtype = same ? first.dtype : "float64";
  const rows = first.dims[0]!;
  const width = DTYPES[dtype].bytes;
  const bytes = allocate(rows * tensors.length * width, file);
  const target = new Float64Array(same ? 0 : rows * tensors.length);
  tensors.forEach((tensor, c) => {
    for (let row = 0; row < rows; row++) {
      const at = row * tensors.length + c;
      if (same) bytes.set(tensor.bytes.subarray(row * width, (row + 1) * width), at * width);
      else target[at] = numberAt(tensor, row);
    }
  });
  if (!same) bytes.set(new Uint8Array(target.buffer));
  return { dtype, dims: [rows, tensors.length], bytes };
}

function numberAt({ dtype, bytes }: Tensor, row: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (dtype) {
    case "int64":
      return Number(view.getBigInt64(8 * row, true));
    case "int32":
      return view.getInt32(4 * row, true);
    case "float32":
      return view.getFloat32(4 * row, true);
    case "float64":
      return view.getFloat64(8 * row, true);
    default:
      return bytes[row]!;
  }
}

/**
 * Reads columns of a parquet table by their names: numbers, or lists of equally many numbers, which
 * become vectors. Pages may be plain or packed by snappy, gzip, brotli or zstd.
 *
 * @param member names parted by commas; it may be left out where there is only one column.
 * @throws {RavnError} naming the file, and its columns where one is missing.
 */
export async function readParquet(
  reader: RangeReader,
  member: string | undefined,
): Promise<Tensor> {
  const table = await openTable(reader);
  const { file, columns, rows } = table;
  const known = [...columns.keys()];
  if (member === undefined && known.length !== 1) {
    throw new RavnError(
      `${file}: holds ${known.length} columns, write which are meant: ` +
        known.slice(0, 20).map((name) => `${file}#${name}`).join(", "),
    );
  }
  const names = member === undefined ? known : columns.has(member) ? [member] : member.split(",");
  const missing = names.find((name) => !columns.has(name));
  if (missing !== undefined) {
    throw new RavnError(
      `${file}: has no column "${missing}"; it has ${known.slice(0, 20).join(", ") || "none"}`,
    );
  }
  if (rows === 0) throw new RavnError(`${file}: is empty; expected rows`);
  const tensors: Tensor[] = [];
  for (const name of names) tensors.push(await readOne(table, name));
  return tensors.length === 1 ? tensors[0]! : beside(tensors, file);
}
