import type { Augmenter } from "../images/augment.ts";
import type { Extent } from "../images/transform.ts";
import type { KeptPictures } from "./recipe.ts";

/** Memory that decoded pictures may take. It is taken page by page, as pictures come in. */
const KEPT_BYTES_MAX = 2 ** 30;

/** Room for the first of `count` pictures of one extent. */
export function roomForPictures(count: number, { width, height }: Extent): KeptPictures {
  const each = 1 + width * height * 3;
  const samples = Math.min(count, Math.floor(KEPT_BYTES_MAX / each));
  return { width, height, samples, buffer: new SharedArrayBuffer(samples * each) };
}

/** Decoded pictures in memory that all threads share. */
export class PictureStore {
  readonly #there: Uint8Array;
  readonly #pixels: Uint8Array;
  readonly #shape: { readonly width: number; readonly height: number; readonly channels: 3 };
  readonly #size: number;

  constructor({ buffer, samples, width, height }: KeptPictures) {
    this.#there = new Uint8Array(buffer, 0, samples);
    this.#pixels = new Uint8Array(buffer, samples);
    this.#shape = { width, height, channels: 3 };
    this.#size = width * height * 3;
  }

  /** Puts a kept picture into the augmenter; false where it is not kept. */
  load(sample: number, augmenter: Augmenter): boolean {
    if (sample >= this.#there.length || Atomics.load(this.#there, sample) === 0) return false;
    const start = sample * this.#size;
    augmenter.load(this.#pixels.subarray(start, start + this.#size), this.#shape, false);
    return true;
  }

  /** Keeps the picture that was decoded into the augmenter, where it fits. */
  keep(sample: number, { picture }: Augmenter): void {
    const { width, height } = this.#shape;
    if (sample >= this.#there.length || picture.width !== width || picture.height !== height) {
      return;
    }
    this.#pixels.set(picture.data.subarray(0, this.#size), sample * this.#size);
    Atomics.store(this.#there, sample, 1);
  }
}
