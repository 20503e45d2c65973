import { RavnError } from "../error.ts";
import {
  byteCount,
  type DType,
  dtypeOf,
  DTYPES,
  elementCount,
  type Tensor,
} from "../onnx/tensor.ts";
import { type Api, type Handle, pointerAt } from "./api.ts";
import type { Environment } from "./environment.ts";
import { addressOf, ALIGNMENT_BYTES } from "./memory.ts";

/** A tensor whose bytes may lie in memory that somebody else writes to. */
export interface TensorView {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

/** A tensor of its own with the elements that `view` has now. */
export function copyOf(view: TensorView): Tensor {
  return { dtype: view.dtype, dims: view.dims, bytes: new Uint8Array(view.bytes) };
}

/**
 * A tensor that ONNX Runtime works on in place, over memory that the caller brought. The memory
 * lives for as long as this object or a binding that uses it; disposing frees the descriptor alone.
 */
export class Value implements Disposable, TensorView {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
  readonly #api: Api;
  #handle: Handle | undefined;

  private constructor(api: Api, handle: Handle, view: TensorView) {
    this.#api = api;
    this.#handle = handle;
    this.dtype = view.dtype;
    this.dims = view.dims;
    this.bytes = view.bytes;
  }

  /** Describes `memory` as a tensor; see {@linkcode Runtime.value}. */
  static over(
    environment: Environment,
    dtype: DType,
    dims: readonly number[],
    memory: Uint8Array,
  ): Value {
    checkMemory(dtype, dims, memory);
    const { api, hostMemory } = environment;
    const handle = api.handle((out) =>
      api.call.CreateTensorWithDataAsOrtValue(
        hostMemory,
        memory as Uint8Array<ArrayBuffer>,
        BigInt(memory.byteLength),
        BigInt64Array.from(dims, BigInt),
        BigInt(dims.length),
        DTYPES[dtype].code,
        out,
      )
    );
    return new Value(api, handle, { dtype, dims: [...dims], bytes: memory });
  }

  /** For this folder alone. @throws {TypeError} after disposal. */
  get handle(): Handle {
    if (this.#handle === undefined) throw new TypeError("this value has been disposed of");
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle !== undefined) this.#api.call.ReleaseValue(this.#handle);
    this.#handle = undefined;
  }
}

function checkMemory(dtype: DType, dims: readonly number[], memory: Uint8Array): void {
  const needed = byteCount(dtype, dims);
  if (dtype === "string" || !(needed >= 0)) {
    throw new RavnError(`ravn computes on no tensor of ${dtype} [${dims}]`);
  }
  if (memory.byteLength !== needed) {
    throw new RangeError(
      `a ${dtype} tensor [${dims}] takes ${needed} bytes, got ${memory.byteLength}`,
    );
  }
  if (needed > 0 && addressOf(memory) % BigInt(ALIGNMENT_BYTES) !== 0n) {
    throw new RangeError(
      `a ${dtype} tensor [${dims}] must begin at a multiple of ${ALIGNMENT_BYTES} bytes; ` +
        `take its memory from an arena or from alignedBytes()`,
    );
  }
}

/** Element type and shape of a tensor that ONNX Runtime holds. */
export function describe(api: Api, value: Handle): { dtype: DType; dims: number[] } {
  const info = api.handle((out) => api.call.GetTensorTypeAndShape(value, out));
  try {
    return { dtype: elementTypeOf(api, info), dims: dimensionsOf(api, info).map(Number) };
  } finally {
    api.call.ReleaseTensorTypeAndShapeInfo(info);
  }
}

/** Element type that a shape description names. */
export function elementTypeOf(api: Api, info: Handle): DType {
  const code = new Int32Array(1);
  api.check(api.call.GetTensorElementType(info, code));
  const dtype = dtypeOf(code[0]!);
  if (dtype === undefined) throw new RavnError(`ravn knows no tensor of element type ${code[0]}`);
  return dtype;
}

/** Sizes that a shape description names; −1 for a symbolic one. */
export function dimensionsOf(api: Api, info: Handle): bigint[] {
  const count = new BigUint64Array(1);
  api.check(api.call.GetDimensionsCount(info, count));
  const dims = new BigInt64Array(Number(count[0]));
  if (dims.length > 0) api.check(api.call.GetDimensions(info, dims, BigInt(dims.length)));
  return [...dims];
}

/** The elements of a tensor that ONNX Runtime holds, in place: valid until it is released. */
export function viewOf(api: Api, value: Handle): TensorView {
  const { dtype, dims } = describe(api, value);
  if (elementCount(dims) === 0) return { dtype, dims, bytes: new Uint8Array(0) };
  const out = new BigUint64Array(1);
  api.check(api.call.GetTensorMutableData(value, out));
  const buffer = Deno.UnsafePointerView.getArrayBuffer(pointerAt(out), byteCount(dtype, dims));
  return { dtype, dims, bytes: new Uint8Array(buffer) };
}
