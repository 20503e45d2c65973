import type { Dataset, Feed } from "./dataset.ts";
import type { MakerPool } from "./made/pool.ts";
import { SampleStream } from "./made/stream.ts";
import { Sampler } from "./sampler.ts";

/** How a data set is read in batches. */
export interface ReaderOptions {
  readonly dataset: Dataset;
  /** What is read of it. */
  readonly feeds: readonly Feed[];
  readonly seed: number;
  /** A new order each epoch. */
  readonly shuffle: boolean;
  /** Random transforms differ from epoch to epoch. */
  readonly anew: boolean;
  /** Who makes samples; needed where some of the feeds are made. */
  readonly pool: () => MakerPool;
  /** Number of this reader among those that share the pool. */
  readonly stream: number;
  /** Told once of each sample that could not be read and was left out. */
  readonly warn: (message: string) => void;
}

/** Where a batch stands: samples `start`, `start + 1`, … in the order of an epoch. */
export interface BatchPlace {
  readonly epoch: number;
  readonly start: number;
  readonly samples: number;
}

/** Reads batches in the order of epochs: from memory, or from a stream that is made ahead. */
export class SampleReader {
  readonly count: number;
  readonly #feeds: ReadonlyMap<string, Feed>;
  readonly #sampler: Sampler;
  readonly #stream: SampleStream | undefined;

  constructor(o: ReaderOptions) {
    const { dataset, feeds, seed, shuffle } = o;
    this.count = dataset.count;
    this.#feeds = new Map(feeds.map((feed) => [feed.name, feed]));
    this.#sampler = new Sampler({ count: this.count, batchSize: this.count, seed, shuffle });
    const made = feeds.filter((feed) => typeof feed.from === "string");
    if (made.length === 0 || dataset.made === undefined) return;
    const { source, count, how, onError } = dataset.made;
    this.#stream = new SampleStream({
      stream: o.stream,
      recipe: { source, count, seed, onError, how },
      fields: made.map(({ from, dtype, dims }) => ({ name: String(from), dtype, dims })),
      shuffle,
      anew: o.anew,
      pool: o.pool(),
      warn: o.warn,
    });
  }

  /**
   * Makes sure that a batch can be taken. Batches are asked for in their order.
   *
   * @returns undefined where it lies in memory already, else a promise to wait for
   * @throws {RavnError} (or rejects) naming the file that cannot be read
   */
  ready({ epoch, start, samples }: BatchPlace): Promise<void> | undefined {
    return this.#stream?.ready(epoch * this.count + start, samples);
  }

  /**
   * Writes one value of a batch that is {@link ready} into `target`, sample after sample.
   *
   * @param value name of a feed, or a feed of the same data set that reads from memory.
   */
  take(value: string | Feed, { epoch, start, samples }: BatchPlace, target: Uint8Array): void {
    const feed = typeof value === "string" ? this.#feeds.get(value) : value;
    if (feed === undefined) throw new Error(`no data for "${value}"`);
    const place = epoch * this.count + start;
    if (typeof feed.from === "string") {
      return this.#stream!.copy(feed.from, place, samples, target);
    }
    // A sample that was left out has another in its place, and its label goes with it.
    const indices = this.#stream?.samplesAt(place, samples) ??
      this.#sampler.order(epoch).subarray(start, start + samples);
    feed.from(indices, target);
  }
}
