import { RavnError } from "../error.ts";
import { encodeCString, type Handle } from "./api.ts";
import type { DeviceTensor } from "./device.ts";
import type { Environment } from "./environment.ts";
import { type Lock, lockOf, noted } from "./runs.ts";
import type { Port, Session } from "./session.ts";
import { type TensorView, Value, viewOf } from "./value.ts";

/** What can be bound: a tensor over the caller's memory, or one in a device's memory. */
export type Bindable = Value | DeviceTensor;

/**
 * A run that took less than this is not worth a thread of its own: to hand it over and back wakes
 * two threads, and where stages share cores each waits for its turn. A perceptron with runs of 1 to
 * 5 ms trains 1.2 times as fast without, in one process and in three on two cores. Messages wait
 * for so long at most, while what comes gathers in the buffers of sockets and in shared memory.
 */
const SYNC_MS_MAX = 8;

/**
 * The inputs and outputs that a session's next runs read and write, bound once and used often. It
 * keeps the bound memory alive. One binding runs once at a time.
 */
export class Binding implements Disposable {
  readonly #environment: Environment;
  readonly #session: Session;
  readonly #sessionHandle: Handle;
  /** Held during every run, where the device takes one at a time. */
  readonly #lock: Lock | undefined;
  readonly #left: () => void;
  #handle: Handle | undefined;
  /** What is bound: a value, or undefined for an output that ONNX Runtime allocates. */
  readonly #inputs = new Map<string, Bindable>();
  readonly #outputs = new Map<string, Bindable | undefined>();
  /**
   * Inputs that each run binds anew, since binding copies what lies where the graph does not read
   * it: values in host memory (as the binding's own), and device tensors that an operator without a
   * kernel for the device reads on the host.
   */
  readonly #copied = new Map<string, Bindable>();
  readonly #names = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Handles of all bound outputs after a run, where some of them were allocated by it. */
  #results: Map<string, Handle> | undefined;
  #runOptions: Handle | undefined;
  #running = false;
  #disposed = false;
  #last_ms = Infinity;

  /** See {@linkcode Session.binding}. */
  constructor(
    environment: Environment,
    session: Session,
    sessionHandle: Handle,
    left: () => void,
  ) {
    this.#environment = environment;
    this.#session = session;
    this.#sessionHandle = sessionHandle;
    this.#lock = lockOf(session.device);
    this.#left = left;
    const { api } = environment;
    this.#handle = api.handle((out) => api.call.CreateIoBinding(sessionHandle, out));
  }

  /** Milliseconds that the last run took; `Infinity` before the first and after a failure. */
  get lastRun_ms(): number {
    return this.#last_ms;
  }

  /**
   * Reads the input `name` from `value` in all runs to come. A device other than the CPU copies a
   * value in host memory at the start of each run, so it reads what the memory then holds. A device
   * tensor must outlive the runs.
   */
  input(name: string, value: Bindable): void {
    const handle = this.#idle();
    if (this.#inputs.get(name) === value) return;
    checkFit("input", this.#session.port("input", name), value);
    this.#releaseCopied(name);
    if (this.#session.copiesInputs) this.#copied.set(name, this.#held(value));
    else this.#bindInput(handle, name, value);
    this.#inputs.set(name, value);
  }

  /**
   * Writes the output `name` into `value` in all runs to come; the shape must be the one that the
   * model makes. The value may be one that is bound as input, where no node but the elementwise one
   * that makes this output reads it.
   */
  output(name: string, value: Bindable): void {
    const handle = this.#idle();
    const { api } = this.#environment;
    if (this.#outputs.get(name) === value) return;
    checkFit("output", this.#session.port("output", name), value);
    api.check(api.call.BindOutput(handle, this.#name(name), value.handle));
    this.#outputs.set(name, value);
  }

  /** Lets ONNX Runtime allocate the output `name` in each run, for shapes not known before. */
  outputAuto(name: string): void {
    const handle = this.#idle();
    this.#session.port("output", name);
    this.#bindAuto(handle, name);
  }

  /** Runs and blocks the whole process until it is done: for graphs of a few milliseconds. */
  run(): void {
    if (this.#lock?.held) throw new TypeError("another run has the device; use runAsync");
    const handle = this.#start();
    const { api } = this.#environment;
    const start_ms = performance.now();
    let took_ms = Infinity;
    try {
      this.#copyInputs(handle);
      api.check(api.call.RunWithBinding(this.#sessionHandle, null, handle));
      took_ms = performance.now() - start_ms;
    } finally {
      this.#finish(took_ms);
    }
  }

  /**
   * Runs on a thread of its own, while the event loop goes on. Aborting `signal` stops the run at
   * the next operator; the promise is rejected with the signal's reason once it has stopped.
   */
  async runAsync(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const handle = this.#start();
    let took_ms = Infinity;
    const run = async () => {
      const start_ms = performance.now();
      await this.#runNonblocking(handle, signal);
      took_ms = performance.now() - start_ms;
    };
    try {
      await (this.#lock === undefined ? run() : this.#lock.hold(run));
    } finally {
      this.#finish(took_ms);
    }
  }

  /**
   * Runs in the way that suits the graph: blocking where the last run took under 8 ms, else on a
   * thread of its own. So the first run never blocks.
   */
  execute(): Promise<void> | void {
    const short = this.#last_ms < SYNC_MS_MAX && this.#lock === undefined;
    return short ? this.run() : this.runAsync();
  }

  /**
   * The output `name` of the last run, in place: valid until the next run or until disposal.
   *
   * @throws {RavnError} when the output is not bound.
   */
  result(name: string): TensorView {
    const handle = this.#idle();
    const bound = this.#outputs.get(name);
    if (bound instanceof Value) return bound;
    if (bound !== undefined) throw new RavnError(`"${name}" is on a device; download it`);
    if (!this.#outputs.has(name)) throw new RavnError(`the output "${name}" is not bound`);
    if (this.#last_ms === Infinity) throw new RavnError(`"${name}" is read before the first run`);
    this.#results ??= this.#collect(handle);
    return viewOf(this.#environment.api, this.#results.get(name)!);
  }

  /** Frees the binding, after the run that is under way if there is one. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    if (this.#running || this.#handle === undefined) return;
    const { call } = this.#environment.api;
    this.#forgetResults();
    call.ReleaseIoBinding(this.#handle);
    if (this.#runOptions !== undefined) call.ReleaseRunOptions(this.#runOptions);
    this.#handle = undefined;
    for (const name of this.#copied.keys()) this.#releaseCopied(name);
    this.#inputs.clear();
    this.#outputs.clear();
    this.#left();
  }

  async #runNonblocking(handle: Handle, signal: AbortSignal | undefined): Promise<void> {
    const { api } = this.#environment;
    const options = this.#runOptions ??= api.handle((out) => api.call.CreateRunOptions(out));
    let cancelled = false;
    const cancel = () => {
      cancelled = true;
      api.check(api.call.RunOptionsSetTerminate(options));
    };
    signal?.throwIfAborted();
    signal?.addEventListener("abort", cancel);
    try {
      this.#copyInputs(handle);
      const run = api.nonblocking.RunWithBinding(this.#sessionHandle, options, handle);
      const status = await noted(run, cancel);
      if (!cancelled) return api.check(status);
      if (status !== null) api.call.ReleaseStatus(status);
      api.check(api.call.RunOptionsUnsetTerminate(options));
      throw signal?.aborted ? signal.reason : new DOMException("cancelled", "AbortError");
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  #start(): Handle {
    const handle = this.#idle();
    this.#checkInputs();
    // The last run's tensor stays bound, and would have to fit the next run's shape.
    for (const [name, value] of this.#outputs) {
      if (value === undefined) this.#bindAuto(handle, name);
    }
    this.#forgetResults();
    this.#running = true;
    return handle;
  }

  #finish(took_ms: number): void {
    this.#running = false;
    this.#last_ms = took_ms;
    if (this.#disposed) this[Symbol.dispose]();
  }

  #idle(): Handle {
    if (this.#handle === undefined || this.#disposed) {
      throw new TypeError("this binding has been disposed of");
    }
    if (this.#running) {
      throw new TypeError("this binding is running; await its run, or make another binding");
    }
    return this.#handle;
  }

  #bindInput(handle: Handle, name: string, value: Bindable): void {
    const { api } = this.#environment;
    api.check(api.call.BindInput(handle, this.#name(name), value.handle));
  }

  /** A value in host memory as one of the binding's own, which the caller's disposal leaves. */
  #held(value: Bindable): Bindable {
    if (!(value instanceof Value)) return value;
    const { dtype, dims, bytes } = value;
    return Value.over(this.#environment, dtype, dims, bytes);
  }

  #releaseCopied(name: string): void {
    const value = this.#copied.get(name);
    if (value instanceof Value) value[Symbol.dispose]();
    this.#copied.delete(name);
  }

  #copyInputs(handle: Handle): void {
    for (const [name, value] of this.#copied) this.#bindInput(handle, name, value);
  }

  #bindAuto(handle: Handle, name: string): void {
    const { api, hostMemory } = this.#environment;
    api.check(api.call.BindOutputToDevice(handle, this.#name(name), hostMemory));
    this.#outputs.set(name, undefined);
  }

  #checkInputs(): void {
    const { inputs } = this.#session;
    if (this.#inputs.size === inputs.length) return;
    const missing = inputs.filter(({ name }) => !this.#inputs.has(name)).map(({ name }) => name);
    throw new RavnError(`the model's inputs ${missing.join(", ")} are not bound`);
  }

  #name(name: string): Uint8Array<ArrayBuffer> {
    let encoded = this.#names.get(name);
    if (encoded === undefined) this.#names.set(name, encoded = encodeCString(name));
    return encoded;
  }

  #collect(handle: Handle): Map<string, Handle> {
    const { api, hostAllocator } = this.#environment;
    const count = new BigUint64Array(1);
    const list = api.handle((out) =>
      api.call.GetBoundOutputValues(handle, hostAllocator, out, count)
    );
    const view = new Deno.UnsafePointerView(list);
    const results = new Map<string, Handle>();
    let offset = 0;
    // In the order in which the outputs were bound first.
    for (const name of this.#outputs.keys()) {
      const value = view.getPointer(offset);
      if (value !== null) results.set(name, value);
      offset += 8;
    }
    api.check(api.call.AllocatorFree(hostAllocator, list));
    return results;
  }

  #forgetResults(): void {
    if (this.#results === undefined) return;
    for (const value of this.#results.values()) this.#environment.api.call.ReleaseValue(value);
    this.#results = undefined;
  }
}

function checkFit(kind: "input" | "output", port: Port, value: Bindable): void {
  // ONNX Runtime describes an unknown rank like a scalar, and checks the shape itself when it runs.
  const fits = port.dims.length === 0 || port.dims.length === value.dims.length &&
      port.dims.every((dim, i) => typeof dim === "string" || dim === value.dims[i]);
  if (port.dtype === value.dtype && fits) return;
  throw new RavnError(
    `the ${kind} "${port.name}" is ${port.dtype} [${port.dims}], ` +
      `got ${value.dtype} [${value.dims}]`,
  );
}
