import { RavnError } from "../error.ts";
import { elementCount, numbers, type Tensor } from "../onnx/tensor.ts";

const TYPES = { int32: "INT32", int64: "INT64", float32: "FLOAT", float64: "DOUBLE" } as const;

/**
 * A tensor as a parquet table: a row a sample, a column a number of it (`c0`, `c1` …), one column
 * `data` where a sample is one number. Small integers become INT32.
 *
 * @throws {RavnError} for element types that the format lacks.
 */
export async function writeParquet(tensor: Tensor): Promise<Uint8Array<ArrayBuffer>> {
  const { dtype, dims } = tensor;
  const [rows, ...sample] = dims;
  const small = ["bool", "int8", "uint8", "int16", "uint16"].includes(dtype);
  const type = small ? "INT32" : TYPES[dtype as keyof typeof TYPES];
  if (rows === undefined || type === undefined) {
    throw new RavnError(`a parquet table cannot hold ${dtype} [${dims}]`);
  }
  const values = numbers(tensor);
  const width = elementCount(sample);
  const column = (c: number) => Array.from({ length: rows }, (_, row) => values[row * width + c]!);
  const columnData = Array.from({ length: width }, (_, c) => ({
    name: width === 1 ? "data" : `c${c}`,
    data: type === "INT64" ? column(c).map((value) => BigInt(value)) : column(c),
    type,
  }));
  const { parquetWriteBuffer } = await import("hyparquet-writer");
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}
