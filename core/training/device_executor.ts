import type { Tensor } from "../onnx/mod.ts";
import type { Bindable, Binding, DeviceMemory, Value } from "../runtime/mod.ts";
import { CopyGraph } from "./copy_graph.ts";
import { DeviceBuffers } from "./device_buffers.ts";
import { deviceModel } from "./device_form.ts";
import { DeviceStatistics } from "./device_statistics.ts";
import type { DeviceWeights } from "./device_weights.ts";
import type { ExecutorOptions } from "./executor.ts";
import { HostMemory } from "./host_memory.ts";
import type { Port, StageManifest } from "./manifest.ts";
import type { StageEngine, StepOptions } from "./stage_engine.ts";
import {
  deferredPorts,
  distinct,
  incomingGradients,
  maskPorts,
  statisticPorts,
} from "./stage_ports.ts";
import { StageScalars } from "./stage_scalars.ts";
import { StageSessions } from "./stage_sessions.ts";

/** Everything `DeviceExecutor.open` needs. */
export interface DeviceExecutorOptions extends Omit<ExecutorOptions, "weights"> {
  /** Memory of the runtime's device. */
  readonly memory: DeviceMemory;
  readonly weights: DeviceWeights;
}

/** What is loaded before the executor is made. */
interface Graphs {
  readonly sessions: StageSessions;
  readonly shared: SharedPorts;
  /** Of what forward (or step) begins with, and backward. */
  readonly uploads: CopyGraph;
  readonly gradientUploads: CopyGraph;
  readonly downloads: CopyGraph;
  readonly statistics: DeviceStatistics;
}

/** Values that two graphs read, so that they must lie on the device between the two. */
interface SharedPorts {
  /** Inputs and masks. */
  readonly inputs: readonly Port[];
  /** Gradients that arrive. */
  readonly gradients: readonly Port[];
  /** Outputs that other stages read, and a later graph too. */
  readonly outputs: readonly Port[];
}

/**
 * Runs the graphs of one stage on a device, in whose memory everything stays that one graph leaves
 * for another: the stash, batch statistics, masks, inputs, beside the weights with all that
 * belongs to them. Only what comes from data or crosses the network is copied: a value that one
 * graph reads is bound in host memory, and ONNX Runtime copies it at the start of the run; one that
 * two graphs read is uploaded first.
 *
 * ONNX Runtime waits for the device at the end of each run, so graphs that run one after the other
 * see each other's results although each session has a stream of its own.
 */
export class DeviceExecutor extends HostMemory implements StageEngine {
  readonly #options: DeviceExecutorOptions;
  readonly #graphs: Graphs;
  readonly #work: DeviceBuffers;
  readonly #scalars: StageScalars;

  private constructor(options: DeviceExecutorOptions, graphs: Graphs) {
    super(options, options.manifest.outputs, graphs.sessions.reads("weights"));
    this.#options = options;
    this.#graphs = graphs;
    const { runtime, memory, manifest, seed } = options;
    this.#scalars = new StageScalars(runtime, seed);
    const { inputs, gradients, outputs } = graphs.shared;
    const left = [
      ...outputs,
      ...manifest.stash,
      ...deferredPorts(manifest),
      ...statisticPorts(manifest),
    ];
    this.#work = new DeviceBuffers(memory, distinct([...inputs, ...gradients, ...left]), {
      copies: this.copies,
      batch: manifest.batch,
    });
  }

  /**
   * Loads the graphs of a stage on the runtime's device and allocates its memory there.
   *
   * @throws {RavnError} where the device does not take a graph, or has not the memory
   */
  static async open(options: DeviceExecutorOptions): Promise<DeviceExecutor> {
    const { runtime, memory, manifest, statistics } = options;
    const prepare = (model: Uint8Array, file: string) => deviceModel(model, file, runtime.device);
    const sessions = await StageSessions.open(runtime, options.models, { prepare });
    const shared = sharedPorts(manifest, sessions);
    return new DeviceExecutor(options, {
      sessions,
      shared,
      uploads: await CopyGraph.open(runtime, shared.inputs),
      gradientUploads: await CopyGraph.open(runtime, shared.gradients),
      downloads: await CopyGraph.open(runtime, shared.outputs),
      statistics: await DeviceStatistics.open({
        runtime,
        memory,
        statistics: manifest.statistics,
        initial: statistics,
      }),
    });
  }

  async forward(m: number, samples: number, weights: number): Promise<void> {
    const { uploads, downloads } = this.#graphs;
    this.host.masks.fill(m, samples);
    await this.#upload(uploads, m, samples);
    await this.#bind("forward", m, samples, weights, true)?.execute();
    const onDevice = (value: string) => this.#work.tensor(m, value, samples);
    const onHost = (value: string) => this.#hostValue(value, m, samples);
    await downloads.run(this.key(m, samples), onDevice, onHost);
    await this.#updateStatistics(m, samples);
  }

  async backward(m: number, samples: number, weights: number, first: boolean): Promise<void> {
    await this.#upload(this.#graphs.gradientUploads, m, samples);
    await this.#bind("backward", m, samples, weights, first)?.execute();
    if (!first && !this.#splits) await this.#options.weights.accumulate();
  }

  async weightGradients(
    m: number,
    samples: number,
    weights: number,
    first: boolean,
  ): Promise<void> {
    await this.#bind("weights", m, samples, weights, first)?.execute();
    if (!first && this.#splits) await this.#options.weights.accumulate();
  }

  async step(m: number, samples: number, weights: number, options: StepOptions): Promise<number> {
    this.host.masks.fill(m, samples);
    this.#scalars.scale = options.scale;
    await this.#upload(this.#graphs.uploads, m, samples);
    await this.#bind("step", m, samples, weights, options.first)?.execute();
    const loss = this.#scalars.lastLoss;
    if (!options.first && !this.#splits) await this.#options.weights.accumulate();
    await this.#updateStatistics(m, samples);
    return loss;
  }

  async evaluate(slot: number, samples: number, weights: number): Promise<number | undefined> {
    const { sessions } = this.#graphs;
    const session = sessions.session("evaluate");
    if (session === undefined) throw new Error("this stage has no graph to evaluate");
    const { manifest: { head }, slots } = this.#options;
    const binding = sessions.binding("evaluate", samples * slots.validation + slot);
    for (const { name } of session.inputs) {
      binding.input(name, this.#validationValue(name, slot, samples, weights));
    }
    for (const { name } of session.outputs) {
      if (name === head?.loss) binding.output(name, this.#scalars.loss);
      else {
        const value = name === `ravn.output.${head?.output.value}` ? head!.output.value : name;
        binding.output(name, this.host.validationOutputs.tensor(slot, value, samples));
      }
    }
    await binding.execute();
    return head === undefined ? undefined : this.#scalars.lastLoss;
  }

  async keepStatistics(): Promise<void> {
    await this.#graphs.statistics.snapshot();
  }

  statistics(): Promise<Map<string, Tensor>> {
    return this.#graphs.statistics.tensors();
  }

  replaceStatistics(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.#graphs.statistics.replace(values);
  }

  /** Whether the gradients of the weights have a graph of their own. */
  get #splits(): boolean {
    return this.#options.manifest.deferred !== undefined;
  }

  /** Copies what a graph of micro-batch `m` and a later one read to the device. */
  #upload(copy: CopyGraph, m: number, samples: number): Promise<void> {
    const from = (value: string) => this.#hostValue(value, m, samples);
    const to = (value: string) => this.#work.tensor(m, value, samples);
    return copy.run(this.key(m, samples), from, to);
  }

  async #updateStatistics(m: number, samples: number): Promise<void> {
    const ofBatch = (value: string) => this.#work.tensor(m, value, samples);
    await this.#graphs.statistics.update(this.key(m, samples), ofBatch, samples);
  }

  #bind(
    graph: "forward" | "backward" | "weights" | "step",
    m: number,
    samples: number,
    weights: number,
    first: boolean,
  ): Binding | undefined {
    const { sessions } = this.#graphs;
    const session = sessions.session(graph);
    if (session === undefined) return undefined;
    this.#scalars.step = m;
    const binding = sessions.binding(graph, this.bindingKey(m, samples));
    for (const { name } of session.inputs) {
      binding.input(name, this.#inputValue(name, m, samples, weights));
    }
    for (const { name } of session.outputs) {
      binding.output(name, this.#outputValue(name, m, samples, first));
    }
    return binding;
  }

  #inputValue(name: string, m: number, samples: number, weights: number): Bindable {
    const { weights: store } = this.#options;
    if (store.has(name)) return store.tensor(weights, name);
    if (this.#work.has(name)) return this.#work.tensor(m, name, samples);
    return this.#hostValue(name, m, samples);
  }

  #outputValue(name: string, m: number, samples: number, first: boolean): Bindable {
    const { weights: store } = this.#options;
    if (store.hasGradient(name)) return store.gradient(name, first);
    if (this.#work.has(name)) return this.#work.tensor(m, name, samples);
    return this.#hostValue(name, m, samples);
  }

  /** What lies in host memory under the name. */
  #hostValue(name: string, m: number, samples: number): Value {
    const { manifest } = this.#options;
    const { inputs, masks, outputs, gradientsIn, gradientsOut } = this.host;
    if (inputs.has(name)) return inputs.tensor(m, name, samples);
    if (masks.has(name)) return masks.tensor(m, name, samples);
    if (outputs.has(name)) return outputs.tensor(m, name, samples);
    if (gradientsIn.has(name)) return gradientsIn.tensor(m, name, samples);
    if (gradientsOut.has(name)) return gradientsOut.tensor(m, name, samples);
    if (name === manifest.head?.loss) return this.#scalars.loss;
    const scalar = this.#scalars.input(name);
    if (scalar !== undefined) return scalar;
    throw new Error(`nothing holds the value "${name}" of stage ${manifest.stage}`);
  }

  #validationValue(name: string, slot: number, samples: number, weights: number): Bindable {
    const { weights: store } = this.#options;
    if (store.has(name)) return store.tensor(weights, name);
    return this.#graphs.statistics.tensor(name) ??
      this.host.validationInputs.tensor(slot, name, samples);
  }

  /** Frees sessions, bindings and buffers; no operation may be under way. */
  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    const { sessions, uploads, gradientUploads, downloads, statistics } = this.#graphs;
    const graphs = [sessions, uploads, gradientUploads, downloads, statistics];
    for (const graph of graphs) graph[Symbol.dispose]();
    this.#scalars[Symbol.dispose]();
    this.#work[Symbol.dispose]();
    for (const buffers of Object.values(this.host)) buffers[Symbol.dispose]();
  }
}

function sharedPorts(manifest: StageManifest, sessions: StageSessions): SharedPorts {
  const begin = sessions.reads(manifest.head === undefined ? "forward" : "step");
  const [backward, weights] = [sessions.reads("backward"), sessions.reads("weights")];
  const isShared = ({ value }: Port) =>
    [begin, backward, weights].filter((reads) => reads.has(value)).length > 1;
  return {
    inputs: [...manifest.inputs, ...maskPorts(manifest)].filter(isShared),
    gradients: incomingGradients(manifest).filter(isShared),
    outputs: manifest.outputs.filter(({ value }) => backward.has(value) || weights.has(value)),
  };
}
