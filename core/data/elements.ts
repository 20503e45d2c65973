import { RavnError } from "../error.ts";
import { type DType, elementCount, numbers, type Tensor } from "../onnx/tensor.ts";
import type { Column } from "./column.ts";

/** Elements as numbers: a view where the element type allows one, else converted once. */
export type Elements = ReturnType<typeof numbers>;

/** Elements of a column: those of sample i are [i·n, (i+1)·n), n the elements of a sample. */
export function elementsOf(column: Column): Elements {
  const { source, dtype, dims, count, bytes } = column;
  if (dtype === "bfloat16") return widenBfloat16(bytes);
  if (dtype === "string") throw new RavnError(`${source}: holds text; expected numbers`);
  const tensor: Tensor = { dtype, dims: [count, ...dims], bytes };
  return numbers(tensor);
}

/** A bfloat16 is the upper half of a float32. */
function widenBfloat16(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bytes.length / 2);
  for (let i = 0; i < words.length; i++) {
    words[i] = (bytes[2 * i]! | (bytes[2 * i + 1]! << 8)) << 16;
  }
  return new Float32Array(words.buffer);
}

/** Integers that each element type holds. */
const RANGES: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  bool: [0, 1],
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** True where every element of type `from` keeps its value as `to`, or is rounded to a float. */
export function widens(from: DType, to: DType): boolean {
  if (from === to) return true;
  const [source, target] = [RANGES[from], RANGES[to]];
  if (target === undefined) return to !== "string" && to !== "bfloat16" && from !== "string";
  return source !== undefined && source[0] >= target[0] && source[1] <= target[1];
}

/**
 * Checks that every element keeps its value as `dtype`: an integer type takes integers in its
 * range. Float types take everything, rounded.
 *
 * @throws {RavnError} naming the file, the sample (from 0) and the value.
 */
export function checkConvertible(column: Column, dtype: DType): void {
  if (dtype === "string" || dtype === "bfloat16") {
    throw new RavnError(`${column.source}: the model takes ${dtype}, which no data file gives`);
  }
  const range = RANGES[dtype];
  if (range === undefined || dtype === column.dtype) return;
  const elements = elementsOf(column);
  const [low, high] = range;
  for (let i = 0; i < elements.length; i++) {
    const value = elements[i]!;
    if (value >= low && value <= high && Number.isInteger(value)) continue;
    const sample = Math.floor(i / elementCount(column.dims));
    throw new RavnError(
      `${column.source}: sample ${sample}: ${value} does not fit ${dtype}, ` +
        `which the model takes (the file holds ${column.dtype})`,
    );
  }
}
