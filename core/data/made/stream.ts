import { RavnError } from "../../error.ts";
import { Sampler } from "../sampler.ts";
import type { Job } from "./make.ts";
import type { MakerPool } from "./pool.ts";
import type { Recipe } from "./recipe.ts";
import { type Field, makeRing, type Ring, sampleBytesOf } from "./ring.ts";

/** Batches that are made ahead, the one in use included. */
const DEPTH = 4;
/** Memory that batches made ahead may take; one batch is always allowed. */
const AHEAD_BYTES_MAX = 2 ** 29;
/** Without a sample in this time the threads count as stuck. */
const DEADLINE_MS = 120_000;

/** What a stream of samples is made of. */
export interface StreamOptions {
  /** Number of the stream in its pool. */
  readonly stream: number;
  readonly recipe: Recipe;
  readonly fields: readonly Field[];
  /** A new order each epoch, from the recipe's seed; or the order of the files. */
  readonly shuffle: boolean;
  /** Draw anew in each epoch, or as in epoch 0 in each. */
  readonly anew: boolean;
  readonly pool: MakerPool;
  /** Told once of each sample that was left out. */
  readonly warn: (message: string) => void;
}

/**
 * Samples made ahead of need, in the order in which epochs visit them. A place in the stream counts
 * the samples from the first of epoch 0.
 *
 * The ring holds a window of the stream: what lies before the place last asked for is overwritten,
 * what follows is made by the pool while the caller does something else.
 */
export class SampleStream {
  readonly #o: StreamOptions;
  readonly #sampler: Sampler;
  #ring: Ring | undefined;
  #bytes = new Uint8Array(0) as Uint8Array<ArrayBufferLike>;
  #made = new Uint32Array(0) as Uint32Array<ArrayBufferLike>;
  /** Slots that hold what the window has in their place. */
  #ready = new Uint8Array(0);
  /** First place of the window, and the first that no job was given for. */
  #from = 0;
  #next = 0;
  #jobs = 0;
  /** The first sample in the order that could not be made, as far as is known. */
  #failure: { readonly place: number; readonly error: Error } | undefined;
  #wake: () => void = () => {};

  constructor(options: StreamOptions) {
    this.#o = options;
    const { count, seed } = options.recipe;
    this.#sampler = new Sampler({ count, batchSize: count, seed, shuffle: options.shuffle });
  }

  /**
   * Makes sure of samples `place`, `place + 1`, …; what lies before may be forgotten.
   *
   * @returns undefined where they are there already, else a promise to wait for.
   * @throws {RavnError} (or rejects) naming the file that cannot be read
   */
  ready(place: number, samples: number): Promise<void> | undefined {
    const ring = this.#ring;
    const known = ring !== undefined && samples <= ring.capacity &&
      place >= this.#from && place <= this.#next;
    if (!known) return this.#restart(place, samples);
    this.#from = place;
    this.#dispatch();
    return this.#has(place, samples) ? undefined : this.#wait(place, samples);
  }

  /** Copies the samples of a field that {@link ready} made sure of. */
  copy(field: string, place: number, samples: number, target: Uint8Array): void {
    const lane = this.#ring!.lanes.find(({ name }) => name === field);
    if (lane === undefined) throw new Error(`no data for "${field}"`);
    const { offset, sampleBytes } = lane;
    if (samples * sampleBytes !== target.length) {
      throw new RangeError(
        `${samples} samples of ${sampleBytes} bytes do not fill ${target.length} bytes`,
      );
    }
    const capacity = this.#ring!.capacity;
    const slot = place % capacity;
    const first = Math.min(samples, capacity - slot);
    const part = (from: number, count: number) =>
      this.#bytes.subarray(offset + from * sampleBytes, offset + (from + count) * sampleBytes);
    target.set(part(slot, first));
    if (first < samples) target.set(part(0, samples - first), first * sampleBytes);
  }

  /** Which samples lie there; another than the order says where one was left out. */
  samplesAt(place: number, samples: number): Uint32Array {
    const capacity = this.#ring!.capacity;
    return Uint32Array.from({ length: samples }, (_, i) => this.#made[(place + i) % capacity]!);
  }

  #has(place: number, samples: number): boolean {
    if (place + samples > this.#next) return false;
    const capacity = this.#ring!.capacity;
    for (let i = 0; i < samples; i++) if (this.#ready[(place + i) % capacity] === 0) return false;
    return true;
  }

  /** A failure further on ends the run when it is reached, so that the end does not vary. */
  async #wait(place: number, samples: number): Promise<void> {
    while (!this.#has(place, samples)) {
      if (this.#failure !== undefined && this.#jobs === 0) throw this.#failure.error;
      await this.#progress();
    }
  }

  /** Resolves when a job has ended. */
  async #progress(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      const seconds = DEADLINE_MS / 1000;
      const late = `${this.#o.recipe.source}: no sample could be read in ${seconds} s`;
      timer = setTimeout(() => reject(new RavnError(late, { exitCode: 1 })), DEADLINE_MS);
    }).finally(() => clearTimeout(timer));
  }

  /** Begins a new window, once no thread writes to the old one any more. */
  async #restart(place: number, samples: number): Promise<void> {
    while (this.#jobs > 0) await this.#progress();
    if (this.#failure !== undefined) throw this.#failure.error;
    const { fields, pool, stream, recipe } = this.#o;
    if (this.#ring === undefined || this.#ring.capacity < samples) {
      const bytes = Math.max(1, sampleBytesOf(fields)) * samples;
      const most = Math.max(1, Math.floor(AHEAD_BYTES_MAX / bytes));
      const depth = pool.workers === 0 ? 1 : Math.min(DEPTH, most);
      this.#ring = makeRing(fields, samples * depth);
      this.#bytes = new Uint8Array(this.#ring.buffer);
      this.#made = new Uint32Array(this.#ring.buffer, 0, this.#ring.capacity);
      pool.open(stream, recipe, this.#ring);
    }
    this.#ready = new Uint8Array(this.#ring.capacity);
    this.#from = this.#next = place;
    this.#dispatch();
    await this.#wait(place, samples);
  }

  /** Gives out the jobs for every free place of the ring. */
  #dispatch(): void {
    const { capacity } = this.#ring!;
    const { count } = this.#o.recipe;
    const share = Math.max(1, Math.ceil(capacity / (2 * DEPTH * (this.#o.pool.workers || 1))));
    while (this.#failure === undefined && this.#next < this.#from + capacity) {
      const epoch = Math.floor(this.#next / count);
      const start = this.#next - epoch * count;
      const free = this.#from + capacity - this.#next;
      const samples = Math.min(share, count - start, free);
      const order = this.#sampler.order(epoch).slice(start, start + samples);
      this.#give(this.#next, { epoch, slot: this.#next % capacity, samples: order });
      this.#next += samples;
    }
  }

  #give(place: number, job: Job): void {
    const { capacity } = this.#ring!;
    const { stream, pool, anew, warn } = this.#o;
    const { slot, samples } = job;
    for (let i = 0; i < samples.length; i++) this.#ready[(slot + i) % capacity] = 0;
    this.#jobs += 1;
    pool.run(stream, anew ? job : { ...job, epoch: 0 }).then((skipped) => {
      for (let i = 0; i < samples.length; i++) this.#ready[(slot + i) % capacity] = 1;
      skipped.forEach(warn);
    }, (error: Error) => {
      if (place < (this.#failure?.place ?? Infinity)) this.#failure = { place, error };
    }).finally(() => {
      this.#jobs -= 1;
      this.#wake();
    });
  }
}
