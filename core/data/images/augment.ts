import type { Random } from "../../random.ts";
import { emptyPicture, makeRoom, type Picture, pixelBytes, toGrey } from "./picture.ts";
import { type Box, resample } from "./resample.ts";
import { type Extent, extentOf, resizedExtent, type Step } from "./transform.ts";

/** Boxes that are drawn before the largest one in the middle is taken. */
const DRAWS_MAX = 10;

function between(random: Random, [low, high]: readonly [number, number]): number {
  return low + (high - low) * random.uniform();
}

/**
 * The box of a random resized crop: area a·A with a uniform in `scale`, ratio r with ln r uniform
 * in `ratio`; w = √(aAr), h = √(aA/r), rounded. Where ten draws do not fit, the largest box of an
 * allowed ratio in the middle.
 */
export function randomBox(
  { width, height }: Extent,
  step: { readonly scale: readonly [number, number]; readonly ratio: readonly [number, number] },
  random: Random,
): Box {
  const logarithms = [Math.log(step.ratio[0]), Math.log(step.ratio[1])] as const;
  for (let draw = 0; draw < DRAWS_MAX; draw++) {
    const area = width * height * between(random, step.scale);
    const ratio = Math.exp(between(random, logarithms));
    const box = {
      width: Math.round(Math.sqrt(area * ratio)),
      height: Math.round(Math.sqrt(area / ratio)),
    };
    if (box.width < 1 || box.width > width || box.height < 1 || box.height > height) continue;
    const top = random.integer(height - box.height + 1);
    return { ...box, left: random.integer(width - box.width + 1), top };
  }
  const ratio = Math.min(Math.max(width / height, step.ratio[0]), step.ratio[1]);
  const box = {
    width: Math.max(1, Math.min(width, Math.round(height * ratio))),
    height: Math.max(1, Math.min(height, Math.round(width / ratio))),
  };
  return {
    ...box,
    left: Math.trunc((width - box.width) / 2),
    top: Math.trunc((height - box.height) / 2),
  };
}

/** Half of `n`, rounded to the even neighbour, as torchvision places a central crop. */
function half(n: number): number {
  const low = Math.floor(n / 2);
  return n % 2 === 0 ? n / 2 : low + Math.abs(low % 2);
}

function centred(from: number, to: number): number {
  return to > from ? -Math.floor((to - from) / 2) : half(from - to);
}

/** Copies a box that may reach beyond the picture; there it is black. */
function crop(source: Picture, box: Box, target: Picture): void {
  const { channels } = source;
  const { width, height, left, top } = box;
  const data = makeRoom(target, width * height * channels);
  const from = Math.max(0, left);
  const to = Math.max(from, Math.min(source.width, left + width));
  const outside = left < 0 || top < 0 || left + width > source.width ||
    top + height > source.height;
  if (outside) data.fill(0, 0, width * height * channels);
  for (let y = Math.max(0, -top); y < Math.min(height, source.height - top); y++) {
    const row = (top + y) * source.width;
    const pixels = source.data.subarray((row + from) * channels, (row + to) * channels);
    data.set(pixels, (y * width + from - left) * channels);
  }
  Object.assign(target, { width, height, channels });
}

function flip({ width, height, channels, data }: Picture): void {
  for (let y = 0; y < height; y++) {
    let a = y * width * channels;
    let b = a + (width - 1) * channels;
    for (; a < b; a += channels, b -= channels) {
      for (let c = 0; c < channels; c++) {
        const held = data[a + c]!;
        data[a + c] = data[b + c]!;
        data[b + c] = held;
      }
    }
  }
}

/** Applies steps to pictures, in two buffers that are used again and again. */
export class Augmenter {
  readonly #steps: readonly Step[];
  #picture = emptyPicture();
  #spare = emptyPicture();

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  /** The picture to decode into before {@link apply}. */
  get picture(): Picture {
    return this.#picture;
  }

  /** Copies pixels that lie channel after channel (or beside each other) into the picture. */
  load(bytes: Uint8Array, shape: Omit<Picture, "data">, planar: boolean): void {
    const picture = this.#picture;
    const data = makeRoom(picture, pixelBytes(shape));
    Object.assign(picture, shape);
    const { channels } = shape;
    if (!planar || channels === 1) return data.set(bytes);
    const pixels = shape.width * shape.height;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < pixels; i++) data[i * channels + c] = bytes[c * pixels + i]!;
    }
  }

  /**
   * Runs the steps over the picture, drawing from `random` in their order; `scale` and `normalise`
   * are left to whoever writes the values. The result is valid until the next picture is loaded.
   */
  apply(random: Random): Picture {
    for (const step of this.#steps) this.#applyStep(step, random);
    return this.#picture;
  }

  #applyStep(step: Step, random: Random): void {
    const picture = this.#picture;
    switch (step.type) {
      case "random_resized_crop":
        return this.#resample(randomBox(picture, step, random), extentOf(step.size));
      case "resize": {
        const { width, height } = picture;
        return this.#resample(
          { left: 0, top: 0, width, height },
          resizedExtent(picture, step.size),
        );
      }
      case "center_crop": {
        const size = extentOf(step.size);
        const left = centred(picture.width, size.width);
        return this.#crop({ ...size, left, top: centred(picture.height, size.height) });
      }
      case "random_crop": {
        const { size, padding } = step;
        const { width, height } = extentOf(size);
        // A picture that is smaller than the crop lies in its middle.
        const place = (from: number, to: number) => {
          const room = from + 2 * padding - to;
          return room < 0 ? centred(from, to) : random.integer(room + 1) - padding;
        };
        const top = place(picture.height, height);
        return this.#crop({ width, height, top, left: place(picture.width, width) });
      }
      case "horizontal_flip":
        if (random.uniform() < step.p) flip(picture);
        return;
      case "grey":
        return toGrey(picture);
      case "scale":
      case "normalise":
        return;
    }
  }

  #resample(box: Box, size: Extent): void {
    const { width, height } = this.#picture;
    const whole = box.width === width && box.height === height;
    if (whole && size.width === width && size.height === height) return;
    resample(this.#picture, box, this.#spare, size);
    this.#swap();
  }

  #crop(box: Box): void {
    crop(this.#picture, box, this.#spare);
    this.#swap();
  }

  #swap(): void {
    [this.#picture, this.#spare] = [this.#spare, this.#picture];
  }
}
