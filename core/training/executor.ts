import { byteCount, dimsAt } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { alignedBytes, Arena, dropoutMask, floatsOf, paddedSize } from "../runtime/mod.ts";
import type { Binding, Runtime, Session, Value } from "../runtime/mod.ts";
import { SCALE } from "./manifest.ts";
import type { Port, StageManifest } from "./manifest.ts";
import { PortBuffers } from "./port_buffers.ts";
import type { Allocate } from "./port_buffers.ts";
import { RunningStatistics } from "./running_statistics.ts";
import type { WeightStore } from "./weight_store.ts";

/** The graphs of a stage as ONNX files. */
export type StageModels = {
  readonly [graph in "forward" | "backward" | "step" | "evaluate"]?: Uint8Array;
};

/** How many copies of a stage's buffers a schedule needs. */
export interface SlotCounts {
  /** Micro-batches under way in the whole pipeline: copies of what arrives. */
  readonly inFlight: number;
  /** Micro-batches that this stage keeps until their backward: copies of stash and outputs. */
  readonly outstanding: number;
  /** Validation batches under way. */
  readonly validation: number;
}

/** Everything `StageExecutor.open` needs. */
export interface ExecutorOptions {
  readonly runtime: Runtime;
  readonly manifest: StageManifest;
  readonly models: StageModels;
  /** Initial running statistics by name. */
  readonly statistics: ReadonlyMap<string, Tensor>;
  readonly weights: WeightStore;
  readonly slots: SlotCounts;
  /** Seed of the dropout masks. */
  readonly seed: number;
}

type Sessions = { readonly [graph in keyof StageModels]?: Session };

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The gradients of activations that a stage takes in, as ports. */
function incomingGradients(manifest: StageManifest): Port[] {
  return manifest.outputs.flatMap(({ dtype, dims, to }) =>
    to.flatMap(({ gradient }) => gradient === undefined ? [] : [{ value: gradient, dtype, dims }])
  );
}

/** The gradients of activations that a stage sends back, as ports. */
function outgoingGradients(manifest: StageManifest): Port[] {
  return manifest.inputs.flatMap(({ dtype, dims, gradient }) =>
    gradient === undefined ? [] : [{ value: gradient, dtype, dims }]
  );
}

/** Ports by name, each once: an output may also be stashed, or be a batch statistic. */
function distinct(ports: readonly Port[]): Port[] {
  return [...new Map(ports.map((port) => [port.value, port])).values()];
}

/** Buffers of a stage, by what they hold. */
interface StageBuffers {
  readonly inputs: PortBuffers;
  readonly work: PortBuffers;
  /** Dropout masks: in an arena, since a kernel writes them. */
  readonly masks: PortBuffers;
  readonly gradientsIn: PortBuffers;
  readonly gradientsOut: PortBuffers;
  readonly validationInputs: PortBuffers;
  readonly validationOutputs: PortBuffers;
}

/**
 * Runs the graphs of one stage over memory that is allocated once: nothing is copied or allocated
 * in a step. One operation at a time; the caller keeps the order.
 */
export class StageExecutor implements AsyncDisposable {
  readonly #options: ExecutorOptions;
  readonly #sessions: Sessions;
  readonly #buffers: StageBuffers;
  readonly #statistics: RunningStatistics;
  readonly #bindings = new Map<string, Map<number, Binding>>();
  /** Slots repeat after so many micro-batches. */
  readonly #cycle: number;
  readonly #scale: { readonly memory: Float32Array; readonly value: Value };
  readonly #loss: { readonly memory: Float32Array; readonly value: Value };

  private constructor(options: ExecutorOptions, sessions: Sessions) {
    this.#options = options;
    this.#sessions = sessions;
    const { runtime, manifest, slots } = options;
    this.#statistics = new RunningStatistics(runtime, manifest.statistics, options.statistics);
    const scalar = () => {
      const bytes = alignedBytes(4);
      const memory = new Float32Array(bytes.buffer, bytes.byteOffset, 1);
      return { memory, value: runtime.value("float32", [], bytes) };
    };
    this.#scale = scalar();
    this.#loss = scalar();
    const { batch, head } = manifest;
    const make = (ports: readonly Port[], count: number, allocate: Allocate = alignedBytes) =>
      new PortBuffers(runtime, distinct(ports), { slots: count, batch, allocate });
    const masks = manifest.masks.map(({ input, dims }) => ({
      value: input,
      dtype: "float32" as const,
      dims,
    }));
    const batchStatistics = manifest.statistics.map(({ batch: value, dims }) => ({
      value,
      dtype: "float32" as const,
      dims,
    }));
    const maskBytes = masks.map(({ dims }) =>
      paddedSize(byteCount("float32", dimsAt(dims, batch)))
    );
    const maskArena = new Arena(slots.outstanding * maskBytes.reduce((a, b) => a + b, 0));
    const work = [...manifest.outputs, ...manifest.stash, ...batchStatistics];
    const relays = manifest.stage === 0 ? manifest.relays : [];
    this.#buffers = {
      inputs: make([...manifest.inputs, ...relays], slots.inFlight),
      work: make(work, slots.outstanding),
      masks: make(masks, slots.outstanding, (byteLength) => maskArena.allocate(byteLength)),
      gradientsIn: make(incomingGradients(manifest), slots.outstanding),
      gradientsOut: make(outgoingGradients(manifest), Math.max(2, slots.outstanding)),
      validationInputs: make([...manifest.inputs, ...relays], slots.validation),
      validationOutputs: make(
        [...manifest.outputs, ...(head === undefined ? [] : [head.output])],
        slots.validation,
      ),
    };
    const { inFlight, outstanding } = slots;
    const out = this.#buffers.gradientsOut.slots;
    const pair = inFlight * outstanding / greatestCommonDivisor(inFlight, outstanding);
    this.#cycle = pair * out / greatestCommonDivisor(pair, out);
  }

  /** Loads the graphs of a stage and allocates its buffers. */
  static async open(options: ExecutorOptions): Promise<StageExecutor> {
    const { runtime, models } = options;
    const load = (model: Uint8Array | undefined) => model && runtime.session(model);
    const [forward, backward, step, evaluate] = await Promise.all([
      load(models.forward),
      load(models.backward),
      load(models.step),
      load(models.evaluate),
    ]);
    return new StageExecutor(options, {
      ...(forward && { forward }),
      ...(backward && { backward }),
      ...(step && { step }),
      ...(evaluate && { evaluate }),
    });
  }

  /** Where the value of an input port (or relay) of micro-batch `m` lies. */
  input(m: number, value: string, samples: number): Uint8Array {
    return this.#buffers.inputs.bytes(m % this.#options.slots.inFlight, value, samples);
  }

  /** Where the forward of micro-batch `m` leaves an output. */
  output(m: number, value: string, samples: number): Uint8Array {
    return this.#buffers.work.bytes(m % this.#options.slots.outstanding, value, samples);
  }

  /** Where the gradient that comes back for micro-batch `m` under the name `gradient` belongs. */
  gradientIn(m: number, gradient: string, samples: number): Uint8Array {
    return this.#buffers.gradientsIn.bytes(m % this.#options.slots.outstanding, gradient, samples);
  }

  /** Where backward leaves the gradient to send back. */
  gradientOut(m: number, gradient: string, samples: number): Uint8Array {
    const slot = m % this.#buffers.gradientsOut.slots;
    return this.#buffers.gradientsOut.bytes(slot, gradient, samples);
  }

  /** Copies of the gradients to send back: the one of micro-batch m is used again by m plus this. */
  get gradientSlots(): number {
    return this.#buffers.gradientsOut.slots;
  }

  /** Where the input port (or relay) of a validation batch in `slot` lies. */
  validationInput(slot: number, value: string, samples: number): Uint8Array {
    return this.#buffers.validationInputs.bytes(slot, value, samples);
  }

  /** Where the evaluation in `slot` leaves an output, the model's own included. */
  validationOutput(slot: number, value: string, samples: number): Uint8Array {
    return this.#buffers.validationOutputs.bytes(slot, value, samples);
  }

  /** Runs forward on micro-batch `m` with the weights in buffer `weights`. */
  async forward(m: number, samples: number, weights: number): Promise<void> {
    this.#fillMasks(m, samples);
    const binding = this.#bind("forward", m, samples, weights, true);
    await binding?.execute();
    this.#statistics.update((value) => this.#floats(m, value, samples), samples);
  }

  /**
   * Runs backward on micro-batch `m`; its gradients become those of the update (`first`) or are added.
   */
  async backward(m: number, samples: number, weights: number, first: boolean): Promise<void> {
    const binding = this.#bind("backward", m, samples, weights, first);
    await binding?.execute();
    if (!first) this.#options.weights.accumulate();
  }

  /**
   * Runs forward, loss and backward of the last stage.
   *
   * @param scale share of this micro-batch in its update
   * @returns the mean loss over the micro-batch
   */
  async step(
    m: number,
    samples: number,
    weights: number,
    options: { readonly scale: number; readonly first: boolean },
  ): Promise<number> {
    this.#fillMasks(m, samples);
    this.#scale.memory[0] = options.scale;
    const binding = this.#bind("step", m, samples, weights, options.first);
    await binding?.execute();
    if (!options.first) this.#options.weights.accumulate();
    this.#statistics.update((value) => this.#floats(m, value, samples), samples);
    return this.#loss.memory[0]!;
  }

  /** Runs a validation batch in `slot`; returns the loss on the last stage. */
  async evaluate(slot: number, samples: number, weights: number): Promise<number | undefined> {
    const session = this.#sessions.evaluate;
    if (session === undefined) throw new Error("this stage has no graph to evaluate");
    const { manifest } = this.#options;
    const binding = this.#cached("evaluate", samples * this.#options.slots.validation + slot);
    for (const { name } of session.inputs) {
      binding.input(name, this.#validationValue(name, slot, samples, weights));
    }
    for (const { name } of session.outputs) {
      if (name === manifest.head?.loss) binding.output(name, this.#loss.value);
      else {
        const head = manifest.head?.output.value;
        const value = name === `ravn.output.${head}` ? head! : name;
        binding.output(name, this.#buffers.validationOutputs.tensor(slot, value, samples));
      }
    }
    await binding.execute();
    return manifest.head === undefined ? undefined : this.#loss.memory[0];
  }

  /** Keeps the running statistics as they are now for the validations that begin now. */
  keepStatistics(): void {
    this.#statistics.snapshot();
  }

  /** The running statistics by name. */
  statistics(): Map<string, Tensor> {
    return this.#statistics.tensors();
  }

  /** A float32 value that the forward of micro-batch `m` left. */
  #floats(m: number, value: string, samples: number): Float32Array {
    return floatsOf(this.output(m, value, samples));
  }

  #fillMasks(m: number, samples: number): void {
    const { seed, slots, manifest } = this.#options;
    for (const { input, ratio, salt } of manifest.masks) {
      const bytes = this.#buffers.masks.bytes(m % slots.outstanding, input, samples);
      dropoutMask(floatsOf(bytes), { seed, step: m, salt, ratio });
    }
  }

  #cached(graph: keyof StageModels, key: number): Binding {
    let bindings = this.#bindings.get(graph);
    if (bindings === undefined) this.#bindings.set(graph, bindings = new Map());
    let binding = bindings.get(key);
    if (binding === undefined) bindings.set(key, binding = this.#sessions[graph]!.binding());
    return binding;
  }

  #bind(
    graph: "forward" | "backward" | "step",
    m: number,
    samples: number,
    weights: number,
    first: boolean,
  ): Binding | undefined {
    const session = this.#sessions[graph];
    if (session === undefined) return undefined;
    const binding = this.#cached(graph, samples * this.#cycle + m % this.#cycle);
    for (const { name } of session.inputs) {
      binding.input(name, this.#inputValue(name, m, samples, weights));
    }
    for (const { name } of session.outputs) {
      binding.output(name, this.#outputValue(name, m, samples, first));
    }
    return binding;
  }

  #inputValue(name: string, m: number, samples: number, weights: number): Value {
    const { slots, weights: store } = this.#options;
    const { inputs, work, masks, gradientsIn } = this.#buffers;
    if (store.has(name)) return store.tensor(weights, name);
    if (inputs.has(name)) return inputs.tensor(m % slots.inFlight, name, samples);
    if (work.has(name)) return work.tensor(m % slots.outstanding, name, samples);
    if (masks.has(name)) return masks.tensor(m % slots.outstanding, name, samples);
    if (gradientsIn.has(name)) return gradientsIn.tensor(m % slots.outstanding, name, samples);
    if (name === SCALE) return this.#scale.value;
    throw new Error(`nothing feeds the input "${name}" of stage ${this.#options.manifest.stage}`);
  }

  #outputValue(name: string, m: number, samples: number, first: boolean): Value {
    const { slots, weights: store, manifest } = this.#options;
    const { work, gradientsOut } = this.#buffers;
    if (store.hasGradient(name)) return store.gradient(name, first);
    if (gradientsOut.has(name)) return gradientsOut.tensor(m % gradientsOut.slots, name, samples);
    if (name === manifest.head?.loss) return this.#loss.value;
    return work.tensor(m % slots.outstanding, name, samples);
  }

  #validationValue(name: string, slot: number, samples: number, weights: number): Value {
    const { weights: store } = this.#options;
    if (store.has(name)) return store.tensor(weights, name);
    return this.#statistics.tensor(name) ??
      this.#buffers.validationInputs.tensor(slot, name, samples);
  }

  /** Frees sessions and bindings; no operation may be under way. */
  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    for (const bindings of this.#bindings.values()) {
      for (const binding of bindings.values()) binding[Symbol.dispose]();
    }
    for (const session of Object.values(this.#sessions)) session[Symbol.dispose]();
    for (const buffers of Object.values(this.#buffers)) buffers[Symbol.dispose]();
  }
}
