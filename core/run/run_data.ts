import {
  autoWorkers,
  checkClasses,
  type DataFiles,
  type Dataset,
  type MakerPool,
  openPool,
  readDataset,
  SampleReader,
  slotOfFact,
} from "../data/mod.ts";
import type { Feed } from "../data/mod.ts";
import { isLabels } from "../training/mod.ts";
import type { Port } from "../training/mod.ts";
import type { BatchPlace, BatchSource } from "./batch_source.ts";

/** Where the data of a run lie, as `ravn.yaml` says. */
export interface DataOptions {
  readonly train: DataFiles;
  readonly validation?: DataFiles | undefined;
  readonly shuffle: boolean;
  /** Threads that make samples ahead of need; 0: none, they are made when they are needed. */
  readonly workers: number | "auto";
  readonly seed: number;
  /** Folder in which the tokens of text are kept between starts; nowhere if absent. */
  readonly tokens?: string | undefined;
  /** Told of samples that could not be read and were left out. */
  readonly warn?: (message: string) => void;
}

/**
 * The training and validation data of a run. Arrays lie in memory; pictures and masked text are
 * made ahead of need, on threads of their own.
 *
 * Epochs visit the samples in an order that depends on the seed alone, and what is random in a
 * sample depends on seed, epoch and sample alone.
 */
export class RunData implements BatchSource, Disposable {
  readonly samples: number;
  readonly validationSamples: number;
  readonly #train: SampleReader;
  readonly #validation: SampleReader | undefined;
  readonly #pool: LazyPool;
  /** Passes over the validation set, so that one stream runs through all of them. */
  #pass = 0;
  #validated = 0;

  private constructor(train: SampleReader, validation: SampleReader | undefined, pool: LazyPool) {
    this.#train = train;
    this.#validation = validation;
    this.#pool = pool;
    this.samples = train.count;
    this.validationSamples = validation?.count ?? 0;
  }

  /**
   * Reads the files and checks them against what the stage needs.
   *
   * @param ports model inputs and labels; those that count labels are left out
   * @throws {RavnError} naming the file where shapes, counts or labels do not fit
   */
  static async open(ports: readonly Port[], options: DataOptions): Promise<RunData> {
    const { train, validation, seed, shuffle, workers, tokens, warn = () => {} } = options;
    const pool = new LazyPool(workers);
    const open = async (part: DataFiles, training: boolean) => {
      const kept = tokens === undefined ? undefined : { folder: tokens, warn };
      const dataset = await readDataset(part, training ? undefined : train, { tokens: kept });
      return new SampleReader({
        dataset,
        feeds: feedsFor(dataset, ports),
        seed,
        shuffle: training && shuffle,
        anew: training,
        pool: () => pool.get(),
        stream: training ? 0 : 1,
        warn,
      });
    };
    try {
      const training = await open(train, true);
      return new RunData(training, validation && await open(validation, false), pool);
    } catch (thrown) {
      pool[Symbol.dispose]();
      throw thrown;
    }
  }

  ready(at: BatchPlace): Promise<void> | undefined {
    return this.#train.ready(at);
  }

  readyValidation(start: number, samples: number): Promise<void> | undefined {
    if (start < this.#validated) this.#pass += 1;
    this.#validated = start;
    return this.#validation?.ready({ epoch: this.#pass, start, samples });
  }

  fill(value: string, at: BatchPlace, target: Uint8Array): void {
    this.#train.take(value, at, target);
  }

  fillValidation(value: string, start: number, samples: number, target: Uint8Array): void {
    if (this.#validation === undefined) throw new Error("this run has no validation data");
    this.#validation.take(value, { epoch: this.#pass, start, samples }, target);
  }

  /** Ends the threads. */
  [Symbol.dispose](): void {
    this.#pool[Symbol.dispose]();
  }
}

/** Starts the threads when the first samples have to be made. */
class LazyPool implements Disposable {
  readonly #workers: number | "auto";
  #pool: MakerPool | undefined;

  constructor(workers: number | "auto") {
    this.#workers = workers;
  }

  get(): MakerPool {
    return this.#pool ??= openPool(this.#workers === "auto" ? autoWorkers() : this.#workers);
  }

  [Symbol.dispose](): void {
    this.#pool?.[Symbol.dispose]();
  }
}

function feedsFor(dataset: Dataset, ports: readonly Port[]): Feed[] {
  const data = ports.filter(({ counts }) => counts === undefined);
  const inputs = data.filter((port) => !isLabels(port));
  const labels = data.filter(isLabels);
  for (const { classes, ignored, label } of labels) {
    if (classes === undefined) continue;
    const columns = label === undefined ? dataset.labels.values() : [dataset.labels.get(label)];
    for (const column of columns) if (column) checkClasses(column, classes, ignored);
  }
  return [
    ...(inputs.length === 0 ? [] : dataset.inputFeeds(inputs.map(slotOf))),
    ...labelFeeds(dataset, labels),
  ];
}

/** The labels as they are named in the data, under the names of the ports. */
function labelFeeds(dataset: Dataset, labels: readonly Port[]): Feed[] {
  if (labels.length === 0) return [];
  const slots = labels.map((port) => ({ ...slotOf(port), name: port.label ?? port.value }));
  return dataset.labelFeeds(slots).map((feed, i) => ({ ...feed, name: labels[i]!.value }));
}

function slotOf({ value, dtype, dims }: Port) {
  return slotOfFact(value, { dtype, dims });
}
