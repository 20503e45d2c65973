import { EXIT, messageOf, RavnError } from "../error.ts";
import type { DType, Tensor } from "../onnx/tensor.ts";
import { type Api, encodeCString, type Handle, pointerAt } from "./api.ts";
import { Binding } from "./binding.ts";
import type { Environment } from "./environment.ts";
import { alignedBytes, freeBytes } from "./memory.ts";
import { portsOf } from "./ports.ts";
import { appendProvider, type Device } from "./provider.ts";
import { lockOf } from "./runs.ts";
import { copyOf, Value } from "./value.ts";

/** An input or output of a model: a symbolic dimension is given by its name. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly (number | string)[];
}

/** How far ONNX Runtime rewrites a graph before it runs it. */
export type Optimization = "all" | "basic" | "none";

/**
 * Where the values of a run on the CPU lie: `own` is an arena of the session, freed with it;
 * `shared` one of the process, for sessions that take turns; `pattern` an own one, in which all
 * values are laid out as a single block after the first run. That saves about a microsecond a value
 * and takes that block beside what the first run took.
 */
export type SessionMemory = "own" | "shared" | "pattern";

/** `GraphOptimizationLevel`. */
const LEVELS = { none: 0, basic: 1, all: 99 } as const;

/** Models on their way to another thread, which reads their bytes: they must not be collected. */
const loading = new Set<Uint8Array>();

/** A model that is ready to run. Several bindings of one session may run at the same time. */
export class Session implements Disposable {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly device: Device;
  /** Whether each run copies inputs that lie in host memory, as devices but the CPU do. */
  readonly copiesInputs: boolean;
  readonly #ports: Record<"input" | "output", ReadonlyMap<string, Port>>;
  readonly #environment: Environment;
  #handle: Handle | undefined;
  #users = 0;
  #disposed = false;

  private constructor(
    environment: Environment,
    handle: Handle,
    o: { device: Device; copiesInputs: boolean },
  ) {
    this.#environment = environment;
    this.device = o.device;
    this.copiesInputs = o.copiesInputs;
    this.#handle = handle;
    const { inputs, outputs } = portsOf(environment, handle);
    this.inputs = inputs;
    this.outputs = outputs;
    this.#ports = { input: byName(inputs), output: byName(outputs) };
  }

  /** Loads a model; see {@linkcode Runtime.session}. A test makes the CPU copy its inputs. */
  static async load(
    environment: Environment,
    model: Uint8Array,
    o: {
      device: Device;
      optimize: Optimization;
      memory?: SessionMemory;
      hostNodes?: readonly string[];
      copiesInputs?: boolean;
      oneThread?: boolean;
    },
  ): Promise<Session> {
    const { api, library } = environment;
    const { memory = o.device === "cpu" ? "own" : "pattern" } = o;
    const options = sessionOptions(api, LEVELS[o.optimize], memory, o.oneThread);
    try {
      keepOnHost(api, options, o.device, o.hostNodes ?? []);
      appendProvider(api, library, options, o.device);
      const create = () => createSession(environment, model, options);
      const handle = await (lockOf(o.device)?.hold(create) ?? create());
      const copiesInputs = o.copiesInputs ?? o.device !== "cpu";
      return new Session(environment, handle, { device: o.device, copiesInputs });
    } finally {
      api.call.ReleaseSessionOptions(options);
    }
  }

  /** The input or output `name`. @throws {RavnError} when the model has none. */
  port(kind: "input" | "output", name: string): Port {
    const port = this.#ports[kind].get(name);
    if (port !== undefined) return port;
    const names = [...this.#ports[kind].keys()].join(", ");
    throw new RavnError(`the model has no ${kind} "${name}"; it has ${names}`);
  }

  /** A new set of bound inputs and outputs. It keeps the session alive until its own disposal. */
  binding(): Binding {
    return this.withHandle((handle) => {
      const binding = new Binding(this.#environment, this, handle, () => this.#leave());
      this.#users++;
      return binding;
    });
  }

  /** For this folder alone. @throws {TypeError} after disposal. */
  withHandle<T>(use: (handle: Handle) => T): T {
    if (this.#handle === undefined || this.#disposed) {
      throw new TypeError("this session has been disposed of");
    }
    return use(this.#handle);
  }

  /**
   * Runs the model once on copies of `feeds` and copies the outputs.
   *
   * @param wanted the outputs whose elements are copied, all if absent; others have no bytes
   * @throws {RavnError} when an input is missing, unknown, or does not fit.
   */
  async run(
    feeds: ReadonlyMap<string, Tensor>,
    wanted?: ReadonlySet<string>,
  ): Promise<Map<string, Tensor>> {
    using values = new DisposableStack();
    using binding = this.binding();
    for (const [name, { dtype, dims, bytes }] of feeds) {
      const memory = values.adopt(alignedBytes(bytes.byteLength), freeBytes);
      memory.set(bytes);
      binding.input(name, values.use(Value.over(this.#environment, dtype, dims, memory)));
    }
    for (const { name } of this.outputs) binding.outputAuto(name);
    await binding.runAsync();
    const isWanted = (name: string) => wanted === undefined || wanted.has(name);
    return new Map(this.outputs.map(({ name }) => {
      const result = binding.result(name);
      return [name, isWanted(name) ? copyOf(result) : { ...result, bytes: new Uint8Array() }];
    }));
  }

  /** Frees the model, once the bindings that were made of it are gone. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#release();
  }

  #leave(): void {
    this.#users--;
    this.#release();
  }

  #release(): void {
    if (!this.#disposed || this.#users > 0 || this.#handle === undefined) return;
    this.#environment.api.call.ReleaseSession(this.#handle);
    this.#handle = undefined;
  }
}

/** Lets the CPU compute some nodes; on the CPU it does anyway, and CUDA cannot be told. */
function keepOnHost(api: Api, options: Handle, device: Device, nodes: readonly string[]): void {
  if (device !== "webgpu" || nodes.length === 0) return;
  const key = "ep.webgpuexecutionprovider.forceCpuNodeNames";
  const names = encodeCString(nodes.join("\n"));
  api.check(api.call.AddSessionConfigEntry(options, encodeCString(key), names));
}

function byName(ports: readonly Port[]): Map<string, Port> {
  return new Map(ports.map((port) => [port.name, port]));
}

function sessionOptions(
  api: Api,
  level: number,
  memory: SessionMemory,
  oneThread = false,
): Handle {
  const { call } = api;
  const options = api.handle((out) => call.CreateSessionOptions(out));
  // A pool of one thread is none: whoever runs the session computes.
  if (oneThread) api.check(call.SetIntraOpNumThreads(options, 1));
  else api.check(call.DisablePerSessionThreads(options));
  api.check(call.SetSessionGraphOptimizationLevel(options, level));
  const arrange = memory === "pattern" ? call.EnableMemPattern : call.DisableMemPattern;
  api.check(arrange(options));
  api.check(call.SetDeterministicCompute(options, true));
  const entry = (key: string, value: string) =>
    api.check(call.AddSessionConfigEntry(options, encodeCString(key), encodeCString(value)));
  if (memory === "shared") entry("session.use_env_allocators", "1");
  // The pool of the process does not spin either; this covers ONNX Runtime's own defaults.
  entry("session.intra_op.allow_spinning", "0");
  entry("session.inter_op.allow_spinning", "0");
  return options;
}

async function createSession(
  environment: Environment,
  model: Uint8Array,
  options: Handle,
): Promise<Handle> {
  const { api } = environment;
  // Written to by another thread, so it must have a buffer that the collector does not move.
  const out = new BigUint64Array(new ArrayBuffer(8));
  loading.add(model);
  try {
    api.check(
      await api.nonblocking.CreateSessionFromArray(
        environment.handle,
        model as Uint8Array<ArrayBuffer>,
        BigInt(model.byteLength),
        options,
        out,
      ),
    );
  } catch (thrown) {
    throw new RavnError(`the model cannot be loaded: ${messageOf(thrown)}`, {
      exitCode: EXIT.usage,
      cause: thrown,
    });
  } finally {
    loading.delete(model);
  }
  return pointerAt(out);
}
