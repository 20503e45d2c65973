import { messageOf, RavnError } from "../../error.ts";
import { makeMasked } from "./masked.ts";
import { type Make, makePictures, makePixels } from "./pictures.ts";
import type { Recipe } from "./recipe.ts";
import { makeRows } from "./rows.ts";
import type { Ring } from "./ring.ts";

/** Samples in a row that may be unreadable before the run ends all the same. */
const SKIPS_MAX = 64;

/** A part of the work: samples to be made, for slots that follow each other in the ring. */
export interface Job {
  readonly epoch: number;
  /** Slot of the first sample; behind the last slot comes the first. */
  readonly slot: number;
  readonly samples: Uint32Array<ArrayBuffer>;
}

function makeOf(recipe: Recipe, ring: Ring): Make {
  const { how } = recipe;
  switch (how.kind) {
    case "pictures":
      return makePictures(recipe, how, ring);
    case "pixels":
      return makePixels(recipe, how, ring);
    case "masked":
      return makeMasked(recipe, how, ring);
    case "rows":
      return makeRows(how, ring);
  }
}

/** Makes the samples of a recipe into a ring, on whichever thread it lives. */
export class Maker {
  readonly #recipe: Recipe;
  readonly #make: Make;
  readonly #made: Uint32Array;
  readonly #bad = new Set<number>();

  constructor(recipe: Recipe, ring: Ring) {
    this.#recipe = recipe;
    this.#make = makeOf(recipe, ring);
    this.#made = new Uint32Array(ring.buffer, 0, ring.capacity);
  }

  /**
   * Makes the samples of a job.
   *
   * @returns a line for each sample that was met unreadable and left out for the first time
   * @throws {RavnError} naming the file, unless such samples are to be skipped
   */
  run({ epoch, slot, samples }: Job): string[] {
    const skipped: string[] = [];
    const capacity = this.#made.length;
    for (let i = 0; i < samples.length; i++) {
      const at = (slot + i) % capacity;
      this.#made[at] = this.#makeOne(at, samples[i]!, epoch, skipped);
    }
    return skipped;
  }

  /** Makes a sample, or the next one that can be read; returns which. */
  #makeOne(slot: number, sample: number, epoch: number, skipped: string[]): number {
    const { count, onError, source } = this.#recipe;
    for (let tries = 0; tries < Math.min(count, SKIPS_MAX); tries++) {
      const next = (sample + tries) % count;
      if (this.#bad.has(next)) continue;
      try {
        this.#make(slot, next, epoch);
        return next;
      } catch (thrown) {
        if (onError === "stop" || !(thrown instanceof RavnError)) throw thrown;
        this.#bad.add(next);
        skipped.push(messageOf(thrown));
      }
    }
    throw new RavnError(
      `${source}: ${Math.min(count, SKIPS_MAX)} samples in a row cannot be read, from sample ` +
        `${sample}; the first: ${skipped[0] ?? "told before"}`,
      { exitCode: 1 },
    );
  }
}
