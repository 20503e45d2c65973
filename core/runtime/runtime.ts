import type { DType, Tensor } from "../onnx/tensor.ts";
import { DeviceMemory } from "./device.ts";
import { type Environment, environmentOf, threadsInUse } from "./environment.ts";
import type { Device } from "./provider.ts";
import { cancelRuns } from "./runs.ts";
import { type Optimization, Session, type SessionMemory } from "./session.ts";
import { Value } from "./value.ts";

/** ONNX Runtime in this process. Nothing is loaded before the first `open`. */
export class Runtime implements Disposable, AsyncDisposable {
  readonly device: Device;
  readonly #environment: Environment;
  readonly #isOneThread: boolean;

  private constructor(environment: Environment, device: Device, isOneThread = false) {
    this.#environment = environment;
    this.device = device;
    this.#isOneThread = isOneThread;
  }

  /**
   * Loads ONNX Runtime, or joins the one that this process has loaded already.
   *
   * @throws {RavnError} when the library is missing, or when the process already runs with another
   * number of `threads`.
   */
  static open(o: { threads?: number; library?: string; device?: Device } = {}): Runtime {
    return new Runtime(environmentOf(o), o.device ?? "cpu");
  }

  /** Threads of the runtime that this process has loaded already, if it has. */
  static get threadsInUse(): number | undefined {
    return threadsInUse();
  }

  /** Version of ONNX Runtime, e.g. `"1.30.0"`. */
  get version(): string {
    return this.#environment.api.version;
  }

  /** Path of the loaded library. */
  get library(): string {
    return this.#environment.library;
  }

  /** Threads of the pool that all sessions of this process share; or one. */
  get threads(): number {
    return this.#isOneThread ? 1 : this.#environment.threads;
  }

  /** The same runtime, but its sessions compute on the thread that runs them and on no other. */
  oneThread(): Runtime {
    return new Runtime(this.#environment, this.device, true);
  }

  /**
   * Makes a model ready to run.
   *
   * @param o.memory on the CPU an arena of the session's own by default, else a pattern
   * @param o.hostNodes nodes, by name, that the CPU computes although WebGPU has a kernel for them
   * @throws {RavnError} with ONNX Runtime's reason when it does not take the model, or when the
   * device cannot be used, saying what is missing.
   */
  session(
    model: Uint8Array,
    o: {
      device?: Device;
      optimize?: Optimization;
      memory?: SessionMemory;
      hostNodes?: readonly string[];
    } = {},
  ): Promise<Session> {
    const { device = this.device, optimize = "all" } = o;
    return Session.load(this.#environment, model, {
      ...o,
      device,
      optimize,
      oneThread: this.#isOneThread,
    });
  }

  /**
   * Memory of a device, this runtime's by default.
   *
   * @throws {RavnError} when the device cannot be used, saying what is missing.
   */
  deviceMemory(device: Device = this.device): Promise<DeviceMemory> {
    return DeviceMemory.open(this.#environment, device);
  }

  /**
   * Describes `memory` as a tensor for bindings, without a copy. Whoever writes to the memory
   * changes the tensor.
   *
   * @throws {RangeError} when `memory` is not exactly as long as the tensor, or does not begin at a
   * multiple of 64 bytes.
   */
  value(dtype: DType, dims: readonly number[], memory: Uint8Array): Value {
    return Value.over(this.#environment, dtype, dims, memory);
  }

  /**
   * Runs a model once: `feeds` by input name to all outputs by name. Where `wanted` is given, the
   * other outputs come without their bytes.
   */
  readonly evaluate = async (
    model: Uint8Array,
    feeds: ReadonlyMap<string, Tensor>,
    wanted?: ReadonlySet<string>,
  ): Promise<Map<string, Tensor>> => {
    using session = await this.session(model);
    return await session.run(feeds, wanted);
  };

  /** Stops all runs of this process and waits until they have ended: before leaving early. */
  async [Symbol.asyncDispose](): Promise<void> {
    await cancelRuns();
  }

  /** ONNX Runtime stays loaded until the process ends. */
  [Symbol.dispose](): void {}
}
