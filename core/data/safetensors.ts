import { byteCount, type DType, DTYPES, type Tensor } from "../onnx/tensor.ts";
import { RavnError } from "../error.ts";

/** Longest header that is read, in bytes; the limit of the reference implementation. */
export const HEADER_BYTES_MAX = 100_000_000;

const NAMES = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint64: "U64",
  uint32: "U32",
  uint16: "U16",
  uint8: "U8",
  bool: "BOOL",
} as const satisfies Partial<Record<DType, string>>;

const DTYPE_BY_NAME = new Map<string, DType>(
  Object.entries(NAMES).map(([dtype, name]) => [name, dtype as keyof typeof NAMES]),
);

/** Tensors by name, with free text about them. */
export interface SafeTensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly start: number;
  readonly end: number;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function readEntry(name: string, value: unknown, file: string): Entry {
  const fail = (what: string) => new RavnError(`${file}: tensor ${JSON.stringify(name)} ${what}`);
  if (!isRecord(value) || !isSizes(value["shape"]) || !isSizes(value["data_offsets"])) {
    throw fail("lacks dtype, shape or data_offsets in the header");
  }
  const dtype = DTYPE_BY_NAME.get(String(value["dtype"]));
  if (dtype === undefined) {
    throw fail(
      `has element type ${JSON.stringify(value["dtype"])}; known are ${
        Object.values(NAMES).join(", ")
      }`,
    );
  }
  const dims = value["shape"];
  const [start, end] = value["data_offsets"];
  const expected = byteCount(dtype, dims);
  if (start === undefined || end === undefined || end - start !== expected) {
    throw fail(`[${dims}] of ${dtype} takes ${expected} bytes, its offsets are ${start} to ${end}`);
  }
  return { name, dtype, dims, start, end };
}

function readHeader(bytes: Uint8Array, file: string): { header: unknown; dataStart: number } {
  const length = bytes.length < 8
    ? Infinity
    : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > HEADER_BYTES_MAX || 8 + length > bytes.length) {
    throw new RavnError(
      `${file}: is no safetensors file, or cut short (header of ${length} bytes in a file of ` +
        `${bytes.length})`,
    );
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length));
    return { header: JSON.parse(text), dataStart: 8 + length };
  } catch (thrown) {
    throw new RavnError(`${file}: is no safetensors file: its header is no JSON`, {
      cause: thrown,
    });
  }
}

/** The format wants the data covered once, without holes: nothing can hide in such a file. */
function checkCover(entries: readonly Entry[], dataBytes: number, file: string): void {
  let covered = 0;
  for (
    const { name, start, end } of entries.toSorted((a, b) => a.start - b.start || a.end - b.end)
  ) {
    if (start !== covered) {
      throw new RavnError(
        `${file}: tensor ${
          JSON.stringify(name)
        } starts at ${start}, the one before it ends at ${covered}`,
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw new RavnError(
      `${file}: its tensors take ${covered} bytes, the file has ${dataBytes} for them`,
    );
  }
}

/**
 * Reads a safetensors file. The tensors are views of `bytes`, not copies, in the header's order.
 *
 * @throws {RavnError} when the header is damaged or does not agree with the data.
 */
export function readSafetensors(bytes: Uint8Array<ArrayBuffer>, file: string): SafeTensors {
  const { header, dataStart } = readHeader(bytes, file);
  if (!isRecord(header)) throw new RavnError(`${file}: its safetensors header is no JSON object`);
  const entries: Entry[] = [];
  let metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") entries.push(readEntry(name, value, file));
    else if (isRecord(value) && Object.values(value).every((text) => typeof text === "string")) {
      metadata = new Map(Object.entries(value).map(([key, text]) => [key, String(text)]));
    } else throw new RavnError(`${file}: its __metadata__ is no map of text to text`);
  }
  checkCover(entries, bytes.length - dataStart, file);
  const tensors = new Map(entries.map(({ name, dtype, dims, start, end }) => [
    name,
    { dtype, dims, bytes: bytes.subarray(dataStart + start, dataStart + end) },
  ]));
  return { tensors, metadata };
}

/**
 * A safetensors file, in pieces to be written one after another; the tensors are not copied.
 *
 * The header keeps the order of `tensors`. The data start at a multiple of 8 and lie by falling
 * element size, so that every tensor is aligned to its elements; among equals the order is kept.
 *
 * @throws {RavnError} for element types that the format lacks (string).
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array<ArrayBuffer>[] {
  const laid = [...tensors].toSorted(([, a], [, b]) =>
    DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes
  );
  const offsets = new Map<string, readonly [number, number]>();
  let end = 0;
  for (const [name, { bytes }] of laid) offsets.set(name, [end, end += bytes.length]);
  const parts: string[] = [];
  if (metadata.size > 0) {
    parts.push(`"__metadata__":${JSON.stringify(Object.fromEntries(metadata))}`);
  }
  for (const [name, { dtype, dims, bytes }] of tensors) {
    if (!(dtype in NAMES)) throw new RavnError(`a safetensors file cannot hold ${dtype}`);
    if (byteCount(dtype, dims) !== bytes.length) {
      throw new RangeError(`tensor "${name}" [${dims}] of ${dtype} has ${bytes.length} bytes`);
    }
    const entry = {
      dtype: NAMES[dtype as keyof typeof NAMES],
      shape: dims,
      data_offsets: offsets.get(name),
    };
    parts.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const json = new TextEncoder().encode(`{${parts.join(",")}}`);
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  head.set(json, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  return [head, ...laid.map(([, { bytes }]) => bytes)];
}
