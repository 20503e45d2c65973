import { type DType, DTYPES, elementCount } from "../onnx/tensor.ts";
import type { Column } from "./column.ts";
import { checkConvertible, type Elements, elementsOf } from "./elements.ts";

/**
 * Copies samples `indices[0..]` one after another into `destination`, which has room for exactly
 * that many. Allocates nothing but views.
 */
export type Gather = (indices: ArrayLike<number>, destination: Uint8Array) => void;

/** From this many bytes on, one call that copies a sample beats a loop over its elements. */
const BLOCK_BYTES_MIN = 256;

/** Element types that samples are converted to one element after another. */
type Target = Exclude<DType, "int64" | "uint64" | "bfloat16" | "string">;

/** Makes a view to write numbers to; the memory may be shared. */
interface View {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): { [i: number]: number };
}

const VIEWS: Readonly<Record<Target, View>> = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Float16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

function checkRoom(indices: ArrayLike<number>, sampleBytes: number, destination: Uint8Array): void {
  if (indices.length * sampleBytes !== destination.length) {
    throw new RangeError(
      `${indices.length} samples of ${sampleBytes} bytes do not fill ${destination.length} bytes`,
    );
  }
}

function copyBlocks(bytes: Uint8Array, sampleBytes: number): Gather {
  return (indices, destination) => {
    checkRoom(indices, sampleBytes, destination);
    for (let i = 0; i < indices.length; i++) {
      const from = indices[i]! * sampleBytes;
      destination.set(bytes.subarray(from, from + sampleBytes), i * sampleBytes);
    }
  };
}

function convert(source: Elements, width: number, dtype: Target): Gather {
  const View = VIEWS[dtype];
  const elementBytes = View.BYTES_PER_ELEMENT;
  return (indices, destination) => {
    checkRoom(indices, width * elementBytes, destination);
    const { buffer, byteOffset, length } = destination;
    const target = new View(buffer, byteOffset, length / elementBytes);
    let to = 0;
    for (let i = 0; i < indices.length; i++) {
      const from = indices[i]! * width;
      for (let j = 0; j < width; j++) target[to++] = source[from + j]!;
    }
  };
}

/** Two 32-bit halves an element, so that no BigInt is made. */
function convertToInt64(source: Elements, width: number): Gather {
  return (indices, destination) => {
    checkRoom(indices, width * 8, destination);
    const { buffer, byteOffset, length } = destination;
    const halves = new Int32Array(buffer, byteOffset, length / 4);
    let to = 0;
    for (let i = 0; i < indices.length; i++) {
      const from = indices[i]! * width;
      for (let j = 0; j < width; j++) {
        const value = source[from + j]!;
        halves[to++] = value | 0;
        halves[to++] = Math.floor(value / 2 ** 32);
      }
    }
  };
}

/**
 * Makes the function that takes samples out of `column` as elements of `dtype`. Destinations are
 * aligned to their elements.
 *
 * @throws {RavnError} when a value of the column does not fit `dtype`; found here, not in a batch.
 */
export function gatherOf(column: Column, dtype: DType): Gather {
  checkConvertible(column, dtype);
  const width = elementCount(column.dims);
  const sampleBytes = width * DTYPES[dtype].bytes;
  const large = sampleBytes >= BLOCK_BYTES_MIN;
  if (column.dtype === dtype && (large || !(dtype in VIEWS))) {
    return copyBlocks(column.bytes, sampleBytes);
  }
  const elements = elementsOf(column);
  if (dtype === "int64" || dtype === "uint64") return convertToInt64(elements, width);
  return convert(elements, width, dtype as Target);
}
