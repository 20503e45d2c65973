import { create } from "@bufbuild/protobuf";
import { type TensorProto, TensorProto_DataLocation, TensorProtoSchema } from "onnx-buf";
import { RavnError } from "../error.ts";
import type { ExternalData } from "./external_data.ts";
import { type DType, dtypeOf, DTYPES, elementCount, type Tensor, tensor } from "./tensor.ts";

/**
 * The tensor in a TensorProto. `raw_data` and external data are not copied: the result is a view.
 *
 * @param what names file and tensor for error messages.
 * @throws {RavnError} for element types ravn does not know and for data of another length than
 *   shape and type say.
 */
export function tensorOfProto(proto: TensorProto, external: ExternalData, what: string): Tensor {
  const dtype = numericType(proto.dataType, what);
  const dims = proto.dims.map(Number);
  const count = elementCount(dims);
  if (dims.some((dim) => dim < 0) || !Number.isSafeInteger(count * 8)) {
    throw new RavnError(`${what}: [${dims}] is not the shape of a tensor`);
  }
  const byteLength = count * DTYPES[dtype].bytes;
  if (proto.segment !== undefined) {
    throw new RavnError(`${what}: is stored in segments, which no tool supports; export it again`);
  }
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const bytes = unshared(external.bytesOf(proto.externalData, byteLength, what));
    return { dtype, dims, bytes };
  }
  if (proto.rawData.byteLength > 0 || count === 0) {
    checkLength(proto.rawData.byteLength, byteLength, "bytes", what);
    return { dtype, dims, bytes: proto.rawData };
  }
  return typedTensor(proto, dtype, dims, what);
}

/** A TensorProto with the tensor's bytes, not copied, as `raw_data`. */
export function protoOfTensor(name: string, value: Tensor): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: DTYPES[value.dtype].code,
    dims: value.dims.map(BigInt),
    rawData: value.bytes,
  });
}

/**
 * The element type for a TensorProto.DataType code.
 *
 * @throws {RavnError} for types that have no place in a ravn tensor.
 */
export function numericType(code: number, what: string): DType {
  const dtype = dtypeOf(code);
  if (dtype === undefined || dtype === "string") {
    const name = dtype ?? (code === 0 ? "undefined" : `code ${code}`);
    throw new RavnError(
      `${what}: element type ${name} is not supported; known are ` +
        Object.keys(DTYPES).filter((known) => known !== "string").join(", "),
    );
  }
  return dtype;
}

/** The same bytes over an ArrayBuffer: copied only if their memory is shared. */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isUnshared(bytes) ? bytes : bytes.slice();
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/** Elements from the typed fields; which field holds which type is fixed by onnx.proto. */
function typedTensor(
  proto: TensorProto,
  dtype: DType,
  dims: readonly number[],
  what: string,
): Tensor {
  const count = elementCount(dims);
  switch (dtype) {
    case "float32":
      checkLength(proto.floatData.length, count, "values", what);
      return tensor(dtype, dims, proto.floatData);
    case "float64":
      checkLength(proto.doubleData.length, count, "values", what);
      return tensor(dtype, dims, proto.doubleData);
    case "int64":
      checkLength(proto.int64Data.length, count, "values", what);
      return { dtype, dims, bytes: new Uint8Array(BigInt64Array.from(proto.int64Data).buffer) };
    case "uint64":
      checkLength(proto.uint64Data.length, count, "values", what);
      return { dtype, dims, bytes: new Uint8Array(BigUint64Array.from(proto.uint64Data).buffer) };
    case "uint32":
      checkLength(proto.uint64Data.length, count, "values", what);
      return tensor(dtype, dims, proto.uint64Data.map(Number));
    case "float16":
    case "bfloat16": {
      // int32_data carries the 16 bits of each element, not its value.
      checkLength(proto.int32Data.length, count, "values", what);
      return { dtype, dims, bytes: new Uint8Array(Uint16Array.from(proto.int32Data).buffer) };
    }
    default:
      checkLength(proto.int32Data.length, count, "values", what);
      return tensor(dtype, dims, proto.int32Data);
  }
}

function checkLength(got: number, expected: number, unit: string, what: string): void {
  if (got !== expected) {
    throw new RavnError(`${what}: its shape needs ${expected} ${unit}, the file has ${got}`);
  }
}
