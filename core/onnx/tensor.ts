/**
 * Element types of ONNX tensors: `code` is TensorProto.DataType, `bytes` the size of one element.
 */
export const DTYPES = {
  float32: { code: 1, bytes: 4 },
  uint8: { code: 2, bytes: 1 },
  int8: { code: 3, bytes: 1 },
  uint16: { code: 4, bytes: 2 },
  int16: { code: 5, bytes: 2 },
  int32: { code: 6, bytes: 4 },
  int64: { code: 7, bytes: 8 },
  string: { code: 8, bytes: 0 },
  bool: { code: 9, bytes: 1 },
  float16: { code: 10, bytes: 2 },
  float64: { code: 11, bytes: 8 },
  uint32: { code: 12, bytes: 4 },
  uint64: { code: 13, bytes: 8 },
  bfloat16: { code: 16, bytes: 2 },
} as const;

/** Name of an element type, e.g. `"float32"`. */
export type DType = keyof typeof DTYPES;

const byCode = new Map<number, DType>(
  Object.entries(DTYPES).map(([name, { code }]) => [code, name as DType]),
);

/** Element type for a TensorProto.DataType code, or undefined where ravn does not know it. */
export function dtypeOf(code: number): DType | undefined {
  return byCode.get(code);
}

/** True for the element types that carry a gradient. */
export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64" || dtype === "float16" || dtype === "bfloat16";
}

/**
 * A dense tensor: row-major elements of `dims`, as little-endian `bytes`. Treat it as immutable.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Number of elements in a shape; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Number of bytes a tensor of `dtype` and `dims` takes. */
export function byteCount(dtype: DType, dims: readonly number[]): number {
  return elementCount(dims) * DTYPES[dtype].bytes;
}

type NumberArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

function encode(dtype: DType, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  if (dtype === "int64" || dtype === "uint64") {
    const wide = new BigInt64Array(values.length);
    for (let i = 0; i < values.length; i++) wide[i] = BigInt(values[i]!);
    return new Uint8Array(wide.buffer);
  }
  if (dtype === "float16") return new Uint8Array(Float16Array.from(values).buffer);
  if (!(dtype in ARRAYS)) throw new TypeError(`a tensor of ${dtype} cannot be made from numbers`);
  return new Uint8Array(ARRAYS[dtype as keyof typeof ARRAYS].from(values).buffer);
}

/**
 * Makes a tensor from numbers, copying them.
 *
 * @throws {RangeError} when the number of values is not the product of `dims`.
 */
export function tensor(
  dtype: DType,
  dims: readonly number[],
  values: ArrayLike<number>,
): Tensor {
  const count = elementCount(dims);
  if (values.length !== count) {
    throw new RangeError(
      `a tensor [${dims}] needs ${count} values, got ${values.length}`,
    );
  }
  return { dtype, dims: [...dims], bytes: encode(dtype, values) };
}

/** A tensor without dimensions. */
export function scalar(dtype: DType, value: number): Tensor {
  return tensor(dtype, [], [value]);
}

/** A rank-1 int64 tensor: the form in which ONNX takes shapes and axes. */
export function int64s(values: readonly number[]): Tensor {
  return tensor("int64", [values.length], values);
}

/**
 * The elements as numbers. Float and narrow integer types give a view where the bytes are aligned
 * (do not write to it); 64-bit integers are converted, exact to 2^53.
 */
export function numbers(t: Tensor): NumberArray | Float64Array<ArrayBuffer> {
  const { dtype } = t;
  const count = elementCount(t.dims);
  const width = DTYPES[dtype].bytes;
  const bytes = t.bytes.byteOffset % Math.max(1, width) === 0 ? t.bytes : t.bytes.slice();
  if (dtype === "int64" || dtype === "uint64") {
    const wide = new BigInt64Array(bytes.buffer, bytes.byteOffset, count);
    return Float64Array.from(wide, Number);
  }
  if (dtype === "float16") {
    return Float32Array.from(new Float16Array(bytes.buffer, bytes.byteOffset, count));
  }
  if (!(dtype in ARRAYS)) throw new TypeError(`a tensor of ${dtype} has no numbers`);
  return new ARRAYS[dtype as keyof typeof ARRAYS](bytes.buffer, bytes.byteOffset, count);
}
