import { GraphBuilder, sizeAt, tensor, writeModel } from "../onnx/mod.ts";
import type { Graph, Tensor } from "../onnx/mod.ts";
import { alignedBytes, floatsOf } from "../runtime/mod.ts";
import type {
  Binding,
  DeviceMemory,
  DeviceTensor,
  Runtime,
  Session,
  Value,
} from "../runtime/mod.ts";
import { CopyGraph } from "./copy_graph.ts";
import type { RunningStatistic } from "./manifest.ts";

/** Everything `DeviceStatistics.open` needs. */
export interface DeviceStatisticsOptions {
  readonly runtime: Runtime;
  readonly memory: DeviceMemory;
  readonly statistics: readonly RunningStatistic[];
  /** Initial running statistics by name. */
  readonly initial: ReadonlyMap<string, Tensor>;
}

/** Name of the input with the weights of the new values, one a statistic. */
const TAKES = "takes";

/**
 * Running mean and variance of normalization layers, in a device's memory: see `RunningStatistics`.
 */
export class DeviceStatistics implements Disposable {
  readonly #runtime: Runtime;
  readonly #memory: DeviceMemory;
  readonly #statistics: readonly RunningStatistic[];
  /** Moves on with every micro-batch. */
  readonly #running: ReadonlyMap<string, DeviceTensor>;
  /** What validations read. */
  readonly #kept: ReadonlyMap<string, DeviceTensor>;
  readonly #session: Session | undefined;
  readonly #copy: CopyGraph;
  readonly #bindings = new Map<number, Binding>();
  /** Weights of the new values, by samples; they are few, and in host memory. */
  readonly #takes = new Map<number, Value>();

  private constructor(
    { runtime, memory, statistics }: DeviceStatisticsOptions,
    session: Session | undefined,
    copy: CopyGraph,
  ) {
    this.#runtime = runtime;
    this.#memory = memory;
    this.#statistics = statistics;
    this.#session = session;
    this.#copy = copy;
    const allocate = () =>
      new Map(statistics.map(({ running, dims }) => [running, memory.allocate("float32", dims)]));
    this.#running = allocate();
    this.#kept = allocate();
  }

  static async open(options: DeviceStatisticsOptions): Promise<DeviceStatistics> {
    const { runtime, memory, statistics, initial } = options;
    const session = statistics.length === 0
      ? undefined
      : await runtime.session(writeModel(updateGraph(statistics)));
    const copy = await CopyGraph.open(
      runtime,
      statistics.map(({ running, dims }) => ({ value: running, dtype: "float32", dims })),
    );
    const opened = new DeviceStatistics(options, session, copy);
    for (const [name, running] of opened.#running) {
      const value = initial.get(name);
      if (value === undefined) throw new Error(`no initial value for "${name}"`);
      await memory.upload(running, value);
    }
    await opened.snapshot();
    return opened;
  }

  /**
   * Takes in the statistics of one micro-batch.
   *
   * @param key stands for the tensors that `batchValue` gives, so that they are bound once
   * @param batchValue a batch statistic by its name
   */
  async update(
    key: number,
    batchValue: (name: string) => DeviceTensor,
    samples: number,
  ): Promise<void> {
    if (this.#session === undefined) return;
    let binding = this.#bindings.get(key);
    if (binding === undefined) {
      binding = this.#session.binding();
      binding.input(TAKES, this.#takesOf(samples));
      for (const [i, { running, batch }] of this.#statistics.entries()) {
        binding.input(`running.${i}`, this.#running.get(running)!);
        binding.input(`batch.${i}`, batchValue(batch));
        binding.output(`new.${i}`, this.#running.get(running)!);
      }
      this.#bindings.set(key, binding);
    }
    await binding.execute();
  }

  /** Validations from now on read the statistics as they are now. */
  snapshot(): Promise<void> {
    return this.#copy.run(0, (name) => this.#running.get(name)!, (name) => this.#kept.get(name)!);
  }

  /** The kept statistic `name`, or undefined where there is none of that name. */
  tensor(name: string): DeviceTensor | undefined {
    return this.#kept.get(name);
  }

  /** The newest statistics by name. */
  async tensors(): Promise<Map<string, Tensor>> {
    const tensors = new Map<string, Tensor>();
    for (const [name, running] of this.#running) {
      tensors.set(name, await this.#memory.download(running));
    }
    return tensors;
  }

  /** Puts other values in the place of some of the newest statistics. */
  async replace(values: ReadonlyMap<string, Float32Array>): Promise<void> {
    for (const { running, dims } of this.#statistics) {
      const value = values.get(running);
      if (value === undefined) continue;
      await this.#memory.upload(this.#running.get(running)!, tensor("float32", dims, value));
    }
  }

  #takesOf(samples: number): Value {
    const known = this.#takes.get(samples);
    if (known !== undefined) return known;
    const bytes = alignedBytes(this.#statistics.length * 4);
    floatsOf(bytes).set(this.#statistics.map(({ count, kind, momentum }) => {
      const n = sizeAt(count, samples);
      return kind === "variance" && n > 1 ? momentum * n / (n - 1) : momentum;
    }));
    const takes = this.#runtime.value("float32", [this.#statistics.length], bytes);
    this.#takes.set(samples, takes);
    return takes;
  }

  [Symbol.dispose](): void {
    for (const binding of this.#bindings.values()) binding[Symbol.dispose]();
    this.#session?.[Symbol.dispose]();
    this.#copy[Symbol.dispose]();
    const tensors = [this.#running, this.#kept, this.#takes].flatMap((map) => [...map.values()]);
    for (const owned of tensors) owned[Symbol.dispose]();
  }
}

/**
 * For statistic i: `new.i = (1 − momentum)·running.i + takes[i]·batch.i`. `new.i` may be bound to
 * the memory of `running.i`, which the node that writes it does not read.
 */
function updateGraph(statistics: readonly RunningStatistic[]): Graph {
  const builder = new GraphBuilder("statistics");
  const takes = builder.input(TAKES, "float32", [statistics.length]);
  statistics.forEach(({ momentum, dims }, i) => {
    const running = builder.input(`running.${i}`, "float32", dims);
    const batch = builder.input(`batch.${i}`, "float32", dims);
    const keep = builder.constant(tensor("float32", [], [1 - momentum]));
    const take = builder.node("Gather", [takes, builder.constant(tensor("int64", [], [i]))]);
    const sum = builder.node(
      "Add",
      [
        builder.node("Mul", [running, keep]),
        builder.node("Mul", [batch, take]),
      ],
      {},
      { outputs: [`new.${i}`] },
    );
    builder.output(sum, "float32", dims);
  });
  return builder.build();
}
