import { RavnError } from "../error.ts";
import {
  byteCount,
  type DType,
  DTYPES,
  elementCount,
  type Graph,
  type Tensor,
  writeModel,
} from "../onnx/mod.ts";
import { encodeCString, type Handle, pointerAt } from "./api.ts";
import type { Environment } from "./environment.ts";
import { alignedBytes } from "./memory.ts";
import { type Device, MEMORY_NAMES } from "./provider.ts";
import { lockOf } from "./runs.ts";
import { Session } from "./session.ts";
import { copyOf, Value } from "./value.ts";

/** A tensor in a device's memory, to be bound; its elements are reached by upload and download. */
export class DeviceTensor implements Disposable {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly #release: (handle: Handle) => void;
  #handle: Handle | undefined;

  /** See {@linkcode DeviceMemory.allocate}. */
  constructor(
    dtype: DType,
    dims: readonly number[],
    handle: Handle,
    release: (handle: Handle) => void,
  ) {
    this.dtype = dtype;
    this.dims = [...dims];
    this.#handle = handle;
    this.#release = release;
  }

  /** For this folder alone. @throws {TypeError} after disposal. */
  get handle(): Handle {
    if (this.#handle === undefined) throw new TypeError("this tensor has been disposed of");
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle !== undefined) this.#release(this.#handle);
    this.#handle = undefined;
  }
}

/**
 * The memory of a device. Parameters, gradients and optimizer state that lie there never cross to
 * the host between steps. The CPU is a device like the others, its memory being the host's.
 */
export class DeviceMemory implements Disposable {
  readonly device: Device;
  readonly #environment: Environment;
  /** Made with the first session, which owns the device's allocator. */
  readonly #allocator: Handle;
  readonly #memory: Handle;
  readonly #copies: Map<DType, Session>;

  private constructor(
    environment: Environment,
    device: Device,
    allocator: Handle,
    memory: Handle,
    copies: Map<DType, Session>,
  ) {
    this.#environment = environment;
    this.device = device;
    this.#allocator = allocator;
    this.#memory = memory;
    this.#copies = copies;
  }

  /** See {@linkcode Runtime.deviceMemory}. */
  static async open(environment: Environment, device: Device): Promise<DeviceMemory> {
    const first = await copySession(environment, device, "float32");
    const copies = new Map([["float32" as DType, first]]);
    const { api } = environment;
    const memory = api.handle((out) =>
      api.call.CreateMemoryInfo(
        encodeCString(MEMORY_NAMES[device]),
        0, // OrtDeviceAllocator
        0, // the first device
        0, // OrtMemTypeDefault
        out,
      )
    );
    const allocator = first.withHandle((session) =>
      api.handle((out) => api.call.CreateAllocator(session, memory, out))
    );
    return new DeviceMemory(environment, device, allocator, memory, copies);
  }

  /** A tensor whose elements are not set yet. Dispose of it before this memory. */
  allocate(dtype: DType, dims: readonly number[]): DeviceTensor {
    if (lockOf(this.device)?.held) throw new TypeError("a run has the device; await it first");
    const { api } = this.#environment;
    const handle = api.handle((out) =>
      api.call.CreateTensorAsOrtValue(
        this.#allocator,
        BigInt64Array.from(dims, BigInt),
        BigInt(dims.length),
        DTYPES[dtype].code,
        out,
      )
    );
    return new DeviceTensor(dtype, dims, handle, (value) => api.call.ReleaseValue(value));
  }

  /** Whether a view may begin inside a tensor: a buffer of WebGPU has no address to add to. */
  get addressable(): boolean {
    return this.device !== "webgpu";
  }

  /**
   * A tensor over part of the memory of `tensor`, without a copy: its first elements, or those from
   * byte `offset` on where the memory is {@linkcode addressable}. Dispose of it before `tensor`.
   *
   * @throws {RangeError} where `tensor` ends before the view, or cannot be entered at `offset`.
   */
  view(tensor: DeviceTensor, dims: readonly number[], offset = 0): DeviceTensor {
    const { dtype } = tensor;
    const size = byteCount(dtype, dims);
    if (offset < 0 || offset + size > byteCount(dtype, tensor.dims)) {
      throw new RangeError(`${dtype} [${dims}] at byte ${offset} is not within [${tensor.dims}]`);
    }
    if (offset > 0 && !this.addressable) {
      throw new RangeError(`a view on ${this.device} begins where its tensor does`);
    }
    const { api } = this.#environment;
    const out = new BigUint64Array(1);
    api.check(api.call.GetTensorMutableData(tensor.handle, out));
    const handle = api.handle((result) =>
      api.call.CreateTensorWithDeviceDataAsOrtValue(
        this.#memory,
        Deno.UnsafePointer.offset(pointerAt(out), offset),
        BigInt(size),
        BigInt64Array.from(dims, BigInt),
        BigInt(dims.length),
        DTYPES[dtype].code,
        result,
      )
    );
    return new DeviceTensor(dtype, dims, handle, (value) => api.call.ReleaseValue(value));
  }

  /** Copies the elements of `source` to the device. */
  async upload(target: DeviceTensor, source: Tensor): Promise<void> {
    checkSame(target, source);
    if (elementCount(source.dims) === 0) return;
    const memory = alignedBytes(source.bytes.byteLength);
    memory.set(source.bytes);
    using value = Value.over(this.#environment, source.dtype, source.dims, memory);
    await this.#copy(value, target);
  }

  /** A copy of the elements that `source` has now. */
  async download(source: DeviceTensor): Promise<Tensor> {
    const memory = alignedBytes(byteCount(source.dtype, source.dims));
    using value = Value.over(this.#environment, source.dtype, source.dims, memory);
    if (memory.byteLength > 0) await this.#copy(source, value);
    return copyOf(value);
  }

  /** Frees the allocator; its tensors must be gone. */
  [Symbol.dispose](): void {
    const { call } = this.#environment.api;
    call.ReleaseAllocator(this.#allocator);
    call.ReleaseMemoryInfo(this.#memory);
    for (const session of this.#copies.values()) session[Symbol.dispose]();
    this.#copies.clear();
  }

  async #copy(source: Value | DeviceTensor, target: Value | DeviceTensor): Promise<void> {
    let session = this.#copies.get(source.dtype);
    if (session === undefined) {
      session = await copySession(this.#environment, this.device, source.dtype);
      this.#copies.set(source.dtype, session);
    }
    using binding = session.binding();
    binding.input("from", source);
    binding.output("to", target);
    await binding.runAsync();
  }
}

/** A graph that copies a tensor of any shape: binding its ends to host and device crosses over. */
function copySession(environment: Environment, device: Device, dtype: DType): Promise<Session> {
  const graph: Graph = {
    name: "copy",
    nodes: [
      {
        name: "copy",
        op: "Identity",
        domain: "",
        inputs: ["from"],
        outputs: ["to"],
        attributes: {},
      },
    ],
    inputs: [{ name: "from", dtype }],
    outputs: [{ name: "to", dtype }],
    initializers: new Map(),
    opsets: new Map([["", 17]]),
  };
  return Session.load(environment, writeModel(graph), { device, optimize: "none" });
}

function checkSame(target: DeviceTensor, source: Tensor): void {
  const same = target.dtype === source.dtype && target.dims.length === source.dims.length &&
    target.dims.every((dim, i) => dim === source.dims[i]);
  if (same) return;
  throw new RavnError(
    `the device tensor is ${target.dtype} [${target.dims}], ` +
      `the one to upload ${source.dtype} [${source.dims}]`,
  );
}
