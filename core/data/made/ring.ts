import { type DType, DTYPES, elementCount } from "../../onnx/tensor.ts";

/** A value that is made for each sample, as the model takes it. */
export interface Field {
  readonly name: string;
  readonly dtype: DType;
  /** Shape of one sample. */
  readonly dims: readonly number[];
}

/** Where one field lies in the memory of a ring. */
export interface Lane extends Field {
  readonly offset: number;
  readonly elements: number;
  readonly sampleBytes: number;
}

/** Memory shared by threads: `capacity` slots of one sample each, field after field. */
export interface Ring {
  readonly buffer: SharedArrayBuffer;
  readonly capacity: number;
  /** The samples that lie in the slots: Uint32 from offset 0. */
  readonly lanes: readonly Lane[];
}

const ALIGNMENT = 64;

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Bytes of one sample over all fields. */
export function sampleBytesOf(fields: readonly Field[]): number {
  return fields.reduce((sum, { dtype, dims }) => sum + elementCount(dims) * DTYPES[dtype].bytes, 0);
}

/** Takes the memory of a ring. */
export function makeRing(fields: readonly Field[], capacity: number): Ring {
  let offset = aligned(4 * capacity);
  const lanes = fields.map((field) => {
    const elements = elementCount(field.dims);
    const sampleBytes = elements * DTYPES[field.dtype].bytes;
    const lane = { ...field, offset, elements, sampleBytes };
    offset += aligned(sampleBytes * capacity);
    return lane;
  });
  return { buffer: new SharedArrayBuffer(offset), capacity, lanes };
}

/** Numbers of a lane by their place, written in the lane's element type. */
export type Write = (place: number, value: number) => void;

/** How to write numbers to a lane; integers of 64 bits as two halves, so that no BigInt is made. */
export function writerOf({ buffer, capacity }: Ring, lane: Lane): Write {
  const length = lane.elements * capacity;
  if (lane.dtype === "int64" || lane.dtype === "uint64") {
    const halves = new Int32Array(buffer, lane.offset, 2 * length);
    return (place, value) => {
      halves[2 * place] = value | 0;
      halves[2 * place + 1] = Math.floor(value / 2 ** 32);
    };
  }
  const view = numbersOf(buffer, lane, length);
  return (place, value) => {
    view[place] = value;
  };
}

/** The lane as an array of numbers; its type is none of 64-bit integers, bfloat16 and text. */
export function numbersOf(
  buffer: SharedArrayBuffer,
  { dtype, offset }: Lane,
  length: number,
): { [place: number]: number } {
  switch (dtype) {
    case "float64":
      return new Float64Array(buffer, offset, length);
    case "float16":
      return new Float16Array(buffer, offset, length);
    case "int32":
      return new Int32Array(buffer, offset, length);
    case "uint32":
      return new Uint32Array(buffer, offset, length);
    case "int16":
      return new Int16Array(buffer, offset, length);
    case "uint16":
      return new Uint16Array(buffer, offset, length);
    case "int8":
      return new Int8Array(buffer, offset, length);
    case "uint8":
    case "bool":
      return new Uint8Array(buffer, offset, length);
    case "float32":
      return new Float32Array(buffer, offset, length);
    default:
      throw new TypeError(`samples are not made as ${dtype}`);
  }
}
