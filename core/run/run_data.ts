import { checkClasses, readDataset, Sampler, slotOfFact } from "../data/mod.ts";
import type { DataFiles, Dataset, Feed } from "../data/mod.ts";
import { LABELS } from "../training/mod.ts";
import type { Port } from "../training/mod.ts";
import type { BatchSource } from "./batch_source.ts";

/** Where the data of a run lie, as `ravn.yaml` says. */
export interface DataOptions {
  readonly train: DataFiles;
  readonly validation?: DataFiles | undefined;
  readonly shuffle: boolean;
  readonly seed: number;
}

/** Samples of one set, ready to be copied to where a stage reads them. */
interface Part {
  readonly count: number;
  readonly feeds: ReadonlyMap<string, Feed>;
}

/**
 * The training and validation data of a run, in memory.
 *
 * Epochs visit the samples in an order that depends on the seed alone.
 */
export class RunData implements BatchSource {
  readonly samples: number;
  readonly validationSamples: number;
  readonly #train: Part;
  readonly #validation: Part | undefined;
  readonly #sampler: Sampler;
  readonly #inOrder: Uint32Array<ArrayBuffer>;

  private constructor(train: Part, validation: Part | undefined, options: DataOptions) {
    this.#train = train;
    this.#validation = validation;
    this.samples = train.count;
    this.validationSamples = validation?.count ?? 0;
    const { seed, shuffle } = options;
    this.#sampler = new Sampler({ count: train.count, batchSize: train.count, seed, shuffle });
    this.#inOrder = Uint32Array.from({ length: this.validationSamples }, (_, i) => i);
  }

  /**
   * Reads the files and checks them against what the stage needs.
   *
   * @param ports model inputs, and the labels under the name `LABELS`
   * @throws {RavnError} naming the file where shapes, counts or labels do not fit
   */
  static async open(ports: readonly Port[], options: DataOptions): Promise<RunData> {
    const train = partOf(await readDataset(options.train), ports);
    const files = options.validation;
    const validation = files && partOf(await readDataset(files), ports);
    return new RunData(train, validation, options);
  }

  fill(
    value: string,
    at: { readonly epoch: number; readonly start: number; readonly samples: number },
    target: Uint8Array,
  ): void {
    const order = this.#sampler.order(at.epoch);
    feedOf(this.#train, value).gather(order.subarray(at.start, at.start + at.samples), target);
  }

  fillValidation(value: string, start: number, samples: number, target: Uint8Array): void {
    if (this.#validation === undefined) throw new Error("this run has no validation data");
    const indices = this.#inOrder.subarray(start, start + samples);
    feedOf(this.#validation, value).gather(indices, target);
  }
}

function feedOf(part: Part, value: string): Feed {
  const feed = part.feeds.get(value);
  if (feed === undefined) throw new Error(`no data for "${value}"`);
  return feed;
}

function partOf(dataset: Dataset, ports: readonly Port[]): Part {
  const inputs = ports.filter(({ value }) => value !== LABELS);
  const labels = ports.filter(({ value }) => value === LABELS);
  for (const { classes, ignored } of labels) {
    if (classes === undefined) continue;
    for (const column of dataset.labels.values()) checkClasses(column, classes, ignored);
  }
  const feeds = [
    ...(inputs.length === 0 ? [] : dataset.inputFeeds(inputs.map(slotOf))),
    ...(labels.length === 0 ? [] : dataset.labelFeeds(labels.map(slotOf))),
  ];
  return { count: dataset.count, feeds: new Map(feeds.map((feed) => [feed.name, feed])) };
}

function slotOf({ value, dtype, dims }: Port) {
  return slotOfFact(value, { dtype, dims });
}
