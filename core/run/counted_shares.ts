import { byteCount, dimsAt } from "../onnx/mod.ts";
import type { Place } from "../pipeline/mod.ts";
import { countLabels } from "../training/mod.ts";
import type { Port } from "../training/mod.ts";
import type { BatchSource } from "./batch_source.ts";

/** A batch as the calendar cuts it into micro-batches. */
interface Batch {
  readonly epoch: number;
  readonly batch: number;
  readonly start: number;
  readonly samples: number;
}

/** One of the ports, and what is known of the current batch. */
interface Counter {
  readonly counts: NonNullable<Port["counts"]>;
  readonly labels: Port;
  /** What counts in each sample of the batch. */
  readonly perSample: Float64Array;
  total: number;
}

/**
 * Fills the ports of a stage that tell how much counts in a micro-batch. A batch's loss is a mean
 * over what counts in the whole batch, as if it were computed at one go; so a micro-batch with few
 * labels to count has a small share in it.
 */
export class CountedShares {
  readonly #source: BatchSource;
  readonly #batchSize: number;
  readonly #counters: ReadonlyMap<string, Counter>;
  #batch: Batch | undefined;

  /**
   * @param ports everything that the stage reads or passes on, labels included
   * @param batchSize samples of a full batch
   */
  constructor(source: BatchSource, ports: readonly Port[], batchSize: number) {
    this.#source = source;
    this.#batchSize = batchSize;
    this.#counters = new Map(ports.flatMap(({ value, counts }) => {
      if (counts === undefined) return [];
      const labels = ports.find((port) => port.value === counts.labels);
      if (labels === undefined) throw new Error(`nothing is read under "${counts.labels}"`);
      return [[value, { counts, labels, perSample: new Float64Array(batchSize), total: 0 }]];
    }));
  }

  /** Whether a port is one of those that this object fills. */
  has(value: string): boolean {
    return this.#counters.has(value);
  }

  /**
   * Looks at the labels of the whole batch before its first micro-batch is read.
   *
   * @returns undefined where there is nothing to look at
   */
  begin({ epoch, batch }: Place): Promise<void> | undefined {
    if (this.#counters.size === 0) return undefined;
    if (this.#batch?.epoch === epoch && this.#batch.batch === batch) return undefined;
    const start = batch * this.#batchSize;
    const samples = Math.min(this.#batchSize, this.#source.samples - start);
    return this.#begin({ epoch, batch, start, samples });
  }

  async #begin(whole: Batch): Promise<void> {
    await this.#source.ready?.(whole);
    for (const counter of this.#counters.values()) this.#count(counter, whole);
    this.#batch = whole;
  }

  #count(counter: Counter, whole: Batch): void {
    const { labels: { value, dtype, dims }, counts, perSample } = counter;
    const bytes = new Uint8Array(byteCount(dtype, dimsAt(dims, whole.samples)));
    this.#source.fill(value, whole, bytes);
    const labels = new BigInt64Array(bytes.buffer);
    const places = labels.length / whole.samples;
    counter.total = 0;
    for (let sample = 0; sample < whole.samples; sample++) {
      const sum = countLabels(labels, sample * places, (sample + 1) * places, counts);
      perSample[sample] = sum;
      counter.total += sum;
    }
  }

  /**
   * Writes the ratio of a micro-batch of the batch that was begun: its share of what counts over
   * its share of the samples, 0 where nothing counts in the batch.
   */
  fill(value: string, place: Place, target: Uint8Array): void {
    const { perSample, total } = this.#counters.get(value)!;
    const whole = this.#batch!;
    const first = place.start - whole.start;
    let sum = 0;
    for (let i = first; i < first + place.samples; i++) sum += perSample[i]!;
    const ratio = total === 0 ? 0 : sum / total * whole.samples / place.samples;
    write(target, ratio);
  }

  /** Writes the ratio of a validation batch, whose loss is a mean of its own. */
  fillValidation(target: Uint8Array): void {
    write(target, 1);
  }
}

function write(target: Uint8Array, value: number): void {
  new DataView(target.buffer, target.byteOffset).setFloat32(0, value, true);
}
