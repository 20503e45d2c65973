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

/** What counts in some samples. */
interface Counted {
  /** In each of them. */
  readonly perSample: Float64Array;
  /** In all of them. */
  total: number;
}

/** One of the ports, and what is known of the current batch and of the validation set. */
interface Counter {
  readonly counts: NonNullable<Port["counts"]>;
  readonly labels: Port;
  readonly batch: Counted;
  validation?: Counted;
}

/**
 * Fills the ports of a stage that tell how much counts in a micro-batch, or in a batch of a
 * validation. A batch's loss is a mean over what counts in the whole batch, as if it were computed
 * at one go, and that of a validation one over what counts in the whole validation set; so a part
 * with few labels to count has a small share in it.
 */
export class CountedShares {
  readonly #source: BatchSource;
  readonly #batchSize: number;
  readonly #counters: ReadonlyMap<string, Counter>;
  #batch: Batch | undefined;
  #validation: Promise<void> | undefined;

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
      return [[value, { counts, labels, batch: uncounted(batchSize) }]];
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
    for (const counter of this.#counters.values()) {
      counter.batch.total = 0;
      const fill = (value: string, bytes: Uint8Array) => this.#source.fill(value, whole, bytes);
      count(counter, counter.batch, { start: 0, samples: whole.samples }, fill);
    }
    this.#batch = whole;
  }

  /**
   * Looks at the labels of the whole validation set before its first batch is read for the first
   * time.
   *
   * @returns undefined where there is nothing to look at
   */
  beginValidation(): Promise<void> | undefined {
    if (this.#counters.size === 0) return undefined;
    return this.#validation ??= this.#countValidation();
  }

  async #countValidation(): Promise<void> {
    const all = this.#source.validationSamples;
    for (const counter of this.#counters.values()) counter.validation = uncounted(all);
    for (let start = 0; start < all; start += this.#batchSize) {
      const samples = Math.min(this.#batchSize, all - start);
      await this.#source.readyValidation?.(start, samples);
      const fill = (value: string, bytes: Uint8Array) =>
        this.#source.fillValidation(value, start, samples, bytes);
      for (const counter of this.#counters.values()) {
        count(counter, counter.validation!, { start, samples }, fill);
      }
    }
  }

  /**
   * Writes the ratio of a micro-batch of the batch that was begun: its share of what counts over
   * its share of the samples, 0 where nothing counts in the batch.
   */
  fill(value: string, place: Place, target: Uint8Array): void {
    const whole = this.#batch!;
    const part = { start: place.start - whole.start, samples: place.samples };
    write(target, ratioOf(this.#counters.get(value)!.batch, part, whole.samples));
  }

  /** Likewise for a batch of the validation set, which was begun. */
  fillValidation(value: string, part: Part, target: Uint8Array): void {
    const { validation } = this.#counters.get(value)!;
    write(target, ratioOf(validation!, part, this.#source.validationSamples));
  }
}

/** Some of the samples that were counted. */
interface Part {
  readonly start: number;
  readonly samples: number;
}

function uncounted(samples: number): Counted {
  return { perSample: new Float64Array(samples), total: 0 };
}

/** Adds samples whose labels `fill` writes. */
function count(
  { labels: { value, dtype, dims }, counts }: Counter,
  counted: Counted,
  { start, samples }: Part,
  fill: (value: string, bytes: Uint8Array) => void,
): void {
  const bytes = new Uint8Array(byteCount(dtype, dimsAt(dims, samples)));
  fill(value, bytes);
  const labels = new BigInt64Array(bytes.buffer);
  const places = labels.length / samples;
  for (let sample = 0; sample < samples; sample++) {
    const sum = countLabels(labels, sample * places, (sample + 1) * places, counts);
    counted.perSample[start + sample] = sum;
    counted.total += sum;
  }
}

/** The share of a part in what counts, over its share of all `samples`; 0 where nothing counts. */
function ratioOf({ perSample, total }: Counted, part: Part, samples: number): number {
  if (total === 0) return 0;
  let sum = 0;
  for (let i = part.start; i < part.start + part.samples; i++) sum += perSample[i]!;
  return sum / total * samples / part.samples;
}

function write(target: Uint8Array, value: number): void {
  new DataView(target.buffer, target.byteOffset).setFloat32(0, value, true);
}
