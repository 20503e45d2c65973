import { numbers, sizeAt } from "../onnx/mod.ts";
import type { Tensor } from "../onnx/mod.ts";
import { alignedBytes } from "../runtime/mod.ts";
import type { Runtime, Value } from "../runtime/mod.ts";
import type { RunningStatistic } from "./manifest.ts";

interface Entry {
  readonly statistic: RunningStatistic;
  /** Moves on with every micro-batch. */
  readonly running: Float32Array;
  /** What validations read. */
  readonly kept: Float32Array;
  readonly value: Value;
}

/**
 * Running mean and variance of normalization layers. Once a micro-batch `running ← (1 −
 * momentum)·running + momentum·batch`, where the variance of a batch of n elements is taken without
 * bias, times n/(n−1), as PyTorch does.
 */
export class RunningStatistics {
  readonly #entries: readonly Entry[];
  readonly #byName: ReadonlyMap<string, Entry>;

  constructor(
    runtime: Runtime,
    statistics: readonly RunningStatistic[],
    initial: ReadonlyMap<string, Tensor>,
  ) {
    this.#entries = statistics.map((statistic) => {
      const tensor = initial.get(statistic.running);
      if (tensor === undefined) throw new Error(`no initial value for "${statistic.running}"`);
      const bytes = alignedBytes(tensor.bytes.byteLength);
      const kept = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      kept.set(numbers(tensor));
      const value = runtime.value("float32", tensor.dims, bytes);
      return { statistic, running: kept.slice(), kept, value };
    });
    this.#byName = new Map(this.#entries.map((entry) => [entry.statistic.running, entry]));
  }

  /** Takes in the statistics of one micro-batch, read through `batchValue` by their names. */
  update(batchValue: (name: string) => Float32Array, samples: number): void {
    for (const { statistic, running } of this.#entries) {
      const batch = batchValue(statistic.batch);
      const count = sizeAt(statistic.count, samples);
      const unbiased = statistic.kind === "variance" && count > 1 ? count / (count - 1) : 1;
      const keep = 1 - statistic.momentum;
      const take = statistic.momentum * unbiased;
      for (let i = 0; i < running.length; i++) running[i] = keep * running[i]! + take * batch[i]!;
    }
  }

  /** Validations from now on read the statistics as they are now. */
  snapshot(): void {
    for (const { running, kept } of this.#entries) kept.set(running);
  }

  /** The kept statistic `name`, or undefined where there is none of that name. */
  tensor(name: string): Value | undefined {
    return this.#byName.get(name)?.value;
  }

  /** Puts other values in the place of some of the newest statistics. */
  replace(values: ReadonlyMap<string, Float32Array>): void {
    for (const [name, value] of values) this.#byName.get(name)!.running.set(value);
  }

  /** The newest statistics by name. */
  tensors(): Map<string, Tensor> {
    return new Map(
      this.#entries.map(({ statistic, running }) => [
        statistic.running,
        { dtype: "float32", dims: statistic.dims, bytes: new Uint8Array(running.slice().buffer) },
      ]),
    );
  }
}
