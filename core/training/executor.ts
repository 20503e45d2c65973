import { byteCount, dimsAt } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { floatsOf } from "../runtime/mod.ts";
import type { Binding, Runtime, Value } from "../runtime/mod.ts";
import { HostMemory } from "./host_memory.ts";
import type { StageManifest } from "./manifest.ts";
import { RunningStatistics } from "./running_statistics.ts";
import type { SlotCounts, StageEngine, StageModels, StepOptions } from "./stage_engine.ts";
import { deferredPorts, statisticPorts } from "./stage_ports.ts";
import { StageScalars } from "./stage_scalars.ts";
import { StageSessions } from "./stage_sessions.ts";
import { TableGradients } from "./table_gradients.ts";
import type { GradientGraph, RowsLeft } from "./table_rows.ts";
import type { WeightStore } from "./weight_store.ts";

/** Everything `StageExecutor.open` needs. */
export interface ExecutorOptions {
  readonly runtime: Runtime;
  readonly manifest: StageManifest;
  readonly models: StageModels;
  /** What the graphs leave to be added to gradients; the weights have the memory for it. */
  readonly rowsLeft?: RowsLeft | undefined;
  /** Initial running statistics by name. */
  readonly statistics: ReadonlyMap<string, Tensor>;
  readonly weights: WeightStore;
  readonly slots: SlotCounts;
  /** Seed of the dropout masks. */
  readonly seed: number;
}

/** Bytes of parameters and data under which a step is so short that its allocations count. */
const SMALL_BYTES = 2 ** 20;

/**
 * Runs the graphs of one stage on the CPU, over memory that is allocated once: nothing is copied or
 * allocated in a step.
 */
export class StageExecutor extends HostMemory implements StageEngine {
  readonly #options: ExecutorOptions;
  readonly #sessions: StageSessions;
  readonly #scalars: StageScalars;
  readonly #statistics: RunningStatistics;
  readonly #tables: TableGradients | undefined;

  private constructor(
    options: ExecutorOptions,
    sessions: StageSessions,
    tables: TableGradients | undefined,
  ) {
    const { runtime, manifest, seed } = options;
    const left = [...manifest.outputs, ...manifest.stash, ...deferredPorts(manifest)];
    const late = [...sessions.reads("weights"), ...tables?.reads("weights") ?? []];
    super(options, [...left, ...statisticPorts(manifest)], new Set(late));
    this.#tables = tables;
    this.#options = options;
    this.#sessions = sessions;
    this.#statistics = new RunningStatistics(runtime, manifest.statistics, options.statistics);
    this.#scalars = new StageScalars(runtime, seed);
  }

  /** Loads the graphs of a stage and allocates its buffers. */
  static async open(options: ExecutorOptions): Promise<StageExecutor> {
    const { runtime, manifest, models } = options;
    const memory = bytesOf(manifest) < SMALL_BYTES ? "pattern" : "shared";
    const sessions = await StageSessions.open(runtime, models, { memory });
    const { rowsLeft: left, weights } = options;
    const tables = left && new TableGradients({ runtime, weights, left, batch: manifest.batch });
    return new StageExecutor(options, sessions, tables);
  }

  async forward(m: number, samples: number, weights: number): Promise<void> {
    this.host.masks.fill(m, samples);
    await this.#bind("forward", m, samples, weights, true)?.execute();
    this.#statistics.update((value) => this.#floats(m, value, samples), samples);
  }

  async backward(m: number, samples: number, weights: number, first: boolean): Promise<void> {
    await this.#gradients("backward", m, samples, weights, first);
    if (!first && !this.#splits) this.#options.weights.accumulate();
  }

  async weightGradients(
    m: number,
    samples: number,
    weights: number,
    first: boolean,
  ): Promise<void> {
    await this.#gradients("weights", m, samples, weights, first);
    if (!first && this.#splits) this.#options.weights.accumulate();
  }

  async step(m: number, samples: number, weights: number, options: StepOptions): Promise<number> {
    this.host.masks.fill(m, samples);
    this.#scalars.scale = options.scale;
    await this.#gradients("step", m, samples, weights, options.first);
    if (!options.first && !this.#splits) this.#options.weights.accumulate();
    this.#statistics.update((value) => this.#floats(m, value, samples), samples);
    return this.#scalars.lastLoss;
  }

  async evaluate(slot: number, samples: number, weights: number): Promise<number | undefined> {
    const session = this.#sessions.session("evaluate");
    if (session === undefined) throw new Error("this stage has no graph to evaluate");
    const { manifest: { head }, slots } = this.#options;
    const binding = this.#sessions.binding("evaluate", samples * slots.validation + slot);
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

  keepStatistics(): void {
    this.#statistics.snapshot();
  }

  statistics(): Map<string, Tensor> {
    return this.#statistics.tensors();
  }

  replaceStatistics(values: ReadonlyMap<string, Float32Array>): void {
    this.#statistics.replace(values);
  }

  /** Whether the gradients of the weights have a graph of their own. */
  get #splits(): boolean {
    return this.#options.manifest.deferred !== undefined;
  }

  /** A float32 value that the forward of micro-batch `m` left. */
  #floats(m: number, value: string, samples: number): Float32Array {
    return floatsOf(this.output(m, value, samples));
  }

  /** Runs a graph that makes gradients, and adds up what it left of them. */
  async #gradients(
    graph: GradientGraph,
    m: number,
    samples: number,
    weights: number,
    first: boolean,
  ): Promise<void> {
    await this.#bind(graph, m, samples, weights, first)?.execute();
    if (this.#tables === undefined) return;
    const outputs = this.#sessions.session(graph)?.outputs ?? [];
    const valueOf = (value: string) =>
      outputs.some(({ name }) => name === value)
        ? this.#outputValue(value, m, samples, first)
        : this.#inputValue(value, m, samples, weights);
    await this.#tables.add(graph, { samples, first, valueOf });
  }

  #bind(
    graph: "forward" | "backward" | "weights" | "step",
    m: number,
    samples: number,
    weights: number,
    first: boolean,
  ): Binding | undefined {
    const session = this.#sessions.session(graph);
    if (session === undefined) return undefined;
    this.#scalars.step = m;
    const binding = this.#sessions.binding(graph, this.bindingKey(m, samples));
    for (const { name } of session.inputs) {
      binding.input(name, this.#inputValue(name, m, samples, weights));
    }
    for (const { name } of session.outputs) {
      binding.output(name, this.#outputValue(name, m, samples, first));
    }
    return binding;
  }

  #inputValue(name: string, m: number, samples: number, weights: number): Value {
    const { weights: store } = this.#options;
    const { inputs, outputs, masks, gradientsIn } = this.host;
    if (store.has(name)) return store.tensor(weights, name);
    if (inputs.has(name)) return inputs.tensor(m, name, samples);
    if (outputs.has(name)) return outputs.tensor(m, name, samples);
    if (masks.has(name)) return masks.tensor(m, name, samples);
    if (gradientsIn.has(name)) return gradientsIn.tensor(m, name, samples);
    const scalar = this.#scalars.input(name);
    if (scalar !== undefined) return scalar;
    throw new Error(`nothing feeds the input "${name}" of stage ${this.#options.manifest.stage}`);
  }

  #outputValue(name: string, m: number, samples: number, first: boolean): Value {
    const { weights: store, manifest } = this.#options;
    const { outputs, gradientsOut } = this.host;
    if (store.hasGradient(name)) return store.gradient(name, first);
    if (gradientsOut.has(name)) return gradientsOut.tensor(m, name, samples);
    if (name === manifest.head?.loss) return this.#scalars.loss;
    const rows = this.#tables?.tensor(name, samples);
    if (rows !== undefined) return rows;
    return outputs.tensor(m, name, samples);
  }

  #validationValue(name: string, slot: number, samples: number, weights: number): Value {
    const { weights: store } = this.#options;
    if (store.has(name)) return store.tensor(weights, name);
    return this.#statistics.tensor(name) ??
      this.host.validationInputs.tensor(slot, name, samples);
  }

  /** Frees sessions, bindings and buffers; no operation may be under way. */
  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.#sessions[Symbol.dispose]();
    this.#scalars[Symbol.dispose]();
    this.#tables?.[Symbol.dispose]();
    for (const buffers of Object.values(this.host)) buffers[Symbol.dispose]();
  }
}

/** What a stage's parameters take, and what goes in and out with one micro-batch. */
function bytesOf(manifest: StageManifest): number {
  const { batch, parameters, inputs, outputs, stash } = manifest;
  const ports = [...inputs, ...outputs, ...stash, ...deferredPorts(manifest)];
  return [
    ...parameters.map(({ dims }) => byteCount("float32", dims)),
    ...ports.map(({ dtype, dims }) => byteCount(dtype, dimsAt(dims, batch))),
  ].reduce((sum, bytes) => sum + bytes, 0);
}
