/** Number of an update-made version of a stage's weights: version 0 is the initial one. */
export type WeightVersion = number;

/**
 * Which buffer holds which version of the weights. A forward keeps the version it used until its
 * backward is done, a validation until it is finished; an update reads the newest version and
 * writes the next one, in place where nothing keeps the newest.
 */
export class WeightVersions {
  readonly #held: number[];
  readonly #versionOf: WeightVersion[];
  readonly #stash = new Map<number, number>();
  readonly #pins = new Map<WeightVersion, number[]>();
  #current = 0;

  /** @param buffers copies of the weights that fit in memory */
  constructor(buffers: number) {
    this.#held = new Array<number>(buffers).fill(0);
    this.#versionOf = new Array<number>(buffers).fill(-1);
    this.#versionOf[0] = 0;
  }

  /** The newest version. */
  get version(): WeightVersion {
    return this.#versionOf[this.#current]!;
  }

  /** Buffer of the newest version. */
  get buffer(): number {
    return this.#current;
  }

  /** Keeps the newest version for micro-batch `m`; returns its buffer. */
  stash(microBatch: number): number {
    if (this.#stash.has(microBatch)) {
      throw new Error(`micro-batch ${microBatch} is stashed already`);
    }
    this.#stash.set(microBatch, this.#current);
    this.#held[this.#current]!++;
    return this.#current;
  }

  /** Buffer and version that the forward of micro-batch `m` used. */
  stashed(microBatch: number): { readonly buffer: number; readonly version: WeightVersion } {
    const buffer = this.#stash.get(microBatch);
    if (buffer === undefined) throw new Error(`micro-batch ${microBatch} has no stashed weights`);
    return { buffer, version: this.#versionOf[buffer]! };
  }

  /** The backward of micro-batch `m` is done: its version is no longer kept for it. */
  release(microBatch: number): void {
    const { buffer } = this.stashed(microBatch);
    this.#stash.delete(microBatch);
    this.#held[buffer]!--;
  }

  /** Keeps the newest version until `unpin`. */
  pin(): WeightVersion {
    const version = this.version;
    const pins = this.#pins.get(version);
    if (pins === undefined) this.#pins.set(version, [this.#current]);
    else pins.push(this.#current);
    this.#held[this.#current]!++;
    return version;
  }

  /** Buffer of a pinned version. */
  pinned(version: WeightVersion): number {
    const buffer = this.#pins.get(version)?.[0];
    if (buffer === undefined) throw new Error(`weight version ${version} is not pinned`);
    return buffer;
  }

  unpin(version: WeightVersion): void {
    const pins = this.#pins.get(version);
    const buffer = pins?.pop();
    if (pins === undefined || buffer === undefined) {
      throw new Error(`weight version ${version} is not pinned`);
    }
    if (pins.length === 0) this.#pins.delete(version);
    this.#held[buffer]!--;
  }

  /**
   * Moves on to the next version: `from` is to be read and `to` to be written (they may be one).
   */
  advance(): { readonly from: number; readonly to: number; readonly version: WeightVersion } {
    const from = this.#current;
    const version = this.version + 1;
    const to = this.#held[from] === 0 ? from : this.#held.indexOf(0);
    if (to < 0) throw new Error(`no buffer is free for weight version ${version}`);
    this.#versionOf[to] = version;
    this.#current = to;
    return { from, to, version };
  }
}
