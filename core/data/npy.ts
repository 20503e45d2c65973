import { byteCount, type DType, DTYPES, type Tensor } from "../onnx/tensor.ts";
import { RavnError } from "../error.ts";
import { fromFortranOrder, swapBytes } from "./layout.ts";
import type { RangeReader } from "./read.ts";

/** Longest header that is read, in bytes; NumPy itself stops at 10,000 characters. */
const HEADER_BYTES_MAX = 65_536;
const RANK_MAX = 32;

const KINDS: Readonly<Record<string, DType>> = {
  b1: "bool",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
};

interface Header {
  readonly dtype: DType;
  readonly bigEndian: boolean;
  readonly fortran: boolean;
  readonly dims: readonly number[];
  /** Where the elements start. */
  readonly offset: number;
}

function elementType(descr: string, file: string): { dtype: DType; bigEndian: boolean } {
  const dtype = KINDS[descr.slice(1)];
  if (dtype !== undefined && "<>|=".includes(descr[0]!)) {
    return { dtype, bigEndian: descr[0] === ">" };
  }
  const why = descr.slice(1).startsWith("O")
    ? "Python objects, which could run code when read"
    : `elements of type "${descr}"`;
  throw new RavnError(
    `${file}: holds ${why}; expected bool, integers or floats (save with array.astype("float32"))`,
  );
}

/** The dictionary that NumPy writes: `{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}`. */
function parseDictionary(text: string, file: string): Omit<Header, "offset"> {
  const descr = /['"]descr['"]\s*:\s*(?:['"]([^'"]*)['"]|(\[))/.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr?.[2] !== undefined) {
    throw new RavnError(`${file}: holds records with fields; expected one number an element`);
  }
  if (descr?.[1] === undefined || order === undefined || shape === undefined) {
    throw new RavnError(`${file}: its npy header lacks descr, fortran_order or shape`);
  }
  const dims = shape.split(",").map((part) => part.trim().replace(/L$/, ""))
    .filter((part) => part !== "").map(Number);
  if (dims.length > RANK_MAX || !dims.every(Number.isSafeInteger)) {
    throw new RavnError(`${file}: its npy header has the impossible shape (${shape.trim()})`);
  }
  return { ...elementType(descr[1], file), fortran: order === "True", dims };
}

function readHeader(bytes: Uint8Array, file: string): Header {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
  if (bytes.length < 10 || !magic.every((byte, i) => bytes[i] === byte)) {
    throw new RavnError(`${file}: is no npy file (it does not start with \\x93NUMPY)`);
  }
  const version = bytes[6]!;
  if (version < 1 || version > 3) {
    throw new RavnError(`${file}: has npy version ${version}, known are 1 to 3`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = version === 1 ? 10 : 12;
  const length = version === 1
    ? view.getUint16(8, true)
    : start <= bytes.length
    ? view.getUint32(8, true)
    : Infinity;
  if (length > HEADER_BYTES_MAX || start + length > bytes.length) {
    throw new RavnError(
      `${file}: says its npy header has ${length} bytes; the file has ${bytes.length}, ` +
        `a header at most ${HEADER_BYTES_MAX}`,
    );
  }
  const text = new TextDecoder(version === 3 ? "utf-8" : "latin1")
    .decode(bytes.subarray(start, start + length));
  return { ...parseDictionary(text, file), offset: start + length };
}

/**
 * Reads a NumPy array file, versions 1 to 3 (NEP 1, `numpy.lib.format`): numbers and booleans in
 * either byte order and either element order. C order in little-endian form is a view of `bytes`.
 *
 * @param file name for error messages.
 * @throws {RavnError} when it is no such file, holds other elements, or is shorter or longer than
 *   its shape says.
 */
export function readNpy(bytes: Uint8Array<ArrayBuffer>, file: string): Tensor {
  const { dtype, bigEndian, fortran, dims, offset } = readHeader(bytes, file);
  const expected = byteCount(dtype, dims);
  if (bytes.length - offset !== expected) {
    throw new RavnError(
      `${file}: a ${dtype} array [${dims}] takes ${expected} bytes, ` +
        `the file has ${bytes.length - offset} behind its header`,
    );
  }
  const width = DTYPES[dtype].bytes;
  let data = bytes.subarray(offset);
  if (bigEndian && width > 1) data = swapBytes(data, width);
  if (fortran && dims.length > 1) data = fromFortranOrder(data, dims, width);
  return { dtype, dims, bytes: data };
}

/** Where the samples of an array lie in a file, one after another. */
export interface ArrayPlace {
  readonly dtype: DType;
  /** Number of samples. */
  readonly count: number;
  /** Shape of one sample. */
  readonly dims: readonly number[];
  /** First byte of the first sample. */
  readonly offset: number;
}

/**
 * Where the samples of a NumPy array file lie, from its header alone; undefined where they do not
 * lie one after another in little-endian form.
 *
 * @throws {RavnError} likewise as {@link readNpy}.
 */
export async function locateNpy(reader: RangeReader): Promise<ArrayPlace | undefined> {
  const { file, size } = reader;
  const head = await reader.read(0, Math.min(size, HEADER_BYTES_MAX + 12));
  const { dtype, bigEndian, fortran, dims: [count, ...dims], offset } = readHeader(head, file);
  if (bigEndian || fortran || count === undefined || count === 0) return undefined;
  const expected = byteCount(dtype, [count, ...dims]);
  if (size - offset !== expected) {
    throw new RavnError(
      `${file}: a ${dtype} array [${[count, ...dims]}] takes ${expected} bytes, ` +
        `the file has ${size - offset} behind its header`,
    );
  }
  return { dtype, count, dims, offset };
}

const DESCR: Readonly<Partial<Record<DType, string>>> = Object.fromEntries(
  Object.entries(KINDS).map(([kind, dtype]) => [
    dtype,
    (DTYPES[dtype].bytes === 1 ? "|" : "<") + kind,
  ]),
);

/**
 * A tensor as a NumPy array file, version 1, C order.
 *
 * @throws {RavnError} for element types that NumPy lacks (bfloat16, string).
 */
export function writeNpy({ dtype, dims, bytes }: Tensor): Uint8Array<ArrayBuffer>[] {
  const descr = DESCR[dtype];
  if (descr === undefined) throw new RavnError(`an npy file cannot hold ${dtype}`);
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(", ");
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const total = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = new TextEncoder().encode(
    "\0\0\0\0\0\0\0\0\0\0" + text.padEnd(total - 11) + "\n",
  );
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(header.buffer).setUint16(8, total - 10, true);
  return [header, bytes];
}
