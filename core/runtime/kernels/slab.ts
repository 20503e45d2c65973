import { KERNELS_WASM } from "./kernels_wasm.ts";

/** The compiled functions of `source/`; addresses and counts are unsigned 32-bit. */
export type Kernels = {
  readonly adam: (...addressesCountAndScalars: number[]) => void;
  readonly sgd: (...addressesCountAndScalars: number[]) => void;
  readonly sgdMomentum: (...addressesCountAndScalars: number[]) => void;
  readonly rmsprop: (...addressesCountAndScalars: number[]) => void;
  readonly rmspropFull: (...addressesCountAndScalars: number[]) => void;
  readonly adagrad: (...addressesCountAndScalars: number[]) => void;
  readonly lion: (...addressesCountAndScalars: number[]) => void;
  readonly lambMoments: (...addressesCountAndScalars: number[]) => number;
  readonly lambStep: (...addressesCountAndScalars: number[]) => void;
  readonly clamp: (target: number, count: number, limit: number) => void;
  readonly add: (target: number, source: number, count: number) => void;
  readonly blend: (target: number, source: number, count: number, a: number, b: number) => void;
  readonly scale: (target: number, count: number, k: number) => void;
  readonly dropoutMask: (
    target: number,
    count: number,
    first: number,
    second: number,
    threshold: number,
    value: number,
  ) => void;
  readonly encodeF16: (source: number, target: number, count: number) => void;
  readonly decodeF16: (source: number, target: number, count: number) => void;
  readonly encodeBf16: (source: number, target: number, count: number) => void;
  readonly decodeBf16: (source: number, target: number, count: number) => void;
  readonly encodeInt8: (source: number, scales: number, target: number, count: number) => void;
  readonly decodeInt8: (scales: number, source: number, target: number, count: number) => number;
  readonly openRows: (marks: number, height: number) => void;
  readonly addRows: (
    target: number,
    marks: number,
    indices: number,
    source: number,
    count: number,
    width: number,
  ) => void;
  readonly clearRows: (target: number, marks: number, height: number, width: number) => void;
  readonly sumOfSquares: (source: number, count: number) => number;
  readonly anyNotFinite: (source: number, count: number) => number;
};

/** Size of a WebAssembly page. */
export const PAGE_BYTES = 65536;

/** Pages of the largest slab: one less than WebAssembly allows, so that no address wraps to 0. */
export const SLAB_PAGES_MAX = 65535;

const BLOCK_BYTES = 16;

let compiled: WebAssembly.Module | undefined;

const kernelsOf = new WeakMap<ArrayBufferLike, Kernels>();

/**
 * Memory of at least `byteLength` zeroed bytes on which the kernels can work. Its size is final and
 * it is shared, so that views into it stay valid for ever; untouched pages take no memory.
 *
 * @throws {RangeError} when there is not enough address space
 */
export function createSlab(byteLength: number): ArrayBufferLike {
  const pages = Math.max(1, Math.ceil(byteLength / PAGE_BYTES));
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(KERNELS_WASM));
  const exports: Record<string, unknown> = new WebAssembly.Instance(compiled, { env: { memory } })
    .exports;
  kernelsOf.set(memory.buffer, exports as Kernels);
  return memory.buffer;
}

/** The kernels over the slab whose memory is `buffer`, or nothing where it is not a slab's. */
export function kernelsOn(buffer: ArrayBufferLike): Kernels | undefined {
  return kernelsOf.get(buffer);
}

/**
 * The kernels over the slab that all of `arrays` lie in.
 *
 * @throws {TypeError} when they lie in no slab or in several
 * @throws {RangeError} when they differ in length, or do not begin at a multiple of 16 bytes
 */
export function kernelsFor(...arrays: readonly Float32Array[]): Kernels {
  const { buffer, length } = arrays[0]!;
  const kernels = kernelsOf.get(buffer);
  if (kernels === undefined) throw new TypeError("a kernel works on arrays of an arena alone");
  for (const array of arrays) {
    if (array.buffer !== buffer) throw new TypeError("a kernel's arrays must lie in one slab");
    if (array.length !== length) {
      throw new RangeError(`a kernel's arrays differ in length: ${length} and ${array.length}`);
    }
    if (array.byteOffset % BLOCK_BYTES !== 0) {
      throw new RangeError(`a kernel's arrays begin at multiples of ${BLOCK_BYTES} bytes`);
    }
  }
  return kernels;
}
