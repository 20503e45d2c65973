import { join } from "node:path";
import { messageOf, RavnError } from "../../error.ts";
import { Random } from "../../random.ts";
import { Augmenter } from "../images/augment.ts";
import { decodePicture, PICTURE_BYTES_MAX } from "../images/decode.ts";
import type { Picture } from "../images/picture.ts";
import { linearOf, type Step } from "../images/transform.ts";
import { PictureStore } from "./kept.ts";
import type { PictureRecipe, PixelRecipe, Recipe } from "./recipe.ts";
import { type Lane, numbersOf, type Ring } from "./ring.ts";

/** Writes sample `sample` of `epoch` into slot `slot` of a ring. */
export type Make = (slot: number, sample: number, epoch: number) => void;

/** Random numbers that depend on the seed, the epoch and the sample alone. */
export function sampleRandom(seed: number): (epoch: number, sample: number) => Random {
  const root = new Random(seed).fork("samples");
  let current = { epoch: -1, random: root };
  return (epoch, sample) => {
    if (current.epoch !== epoch) current = { epoch, random: root.fork(epoch) };
    return current.random.fork(sample);
  };
}

/** Writes a picture channel after channel, each value v as v·factor + offset. */
function pictureWriter(ring: Ring, lane: Lane, steps: readonly Step[]) {
  const [channels] = lane.dims as [number];
  const view = numbersOf(ring.buffer, lane, lane.elements * ring.capacity);
  const { factor, offset } = linearOf(steps, channels);
  const pixels = lane.elements / channels;
  return (slot: number, { data }: Picture) => {
    for (let c = 0; c < channels; c++) {
      const to = slot * lane.elements + c * pixels;
      const [a, b] = [factor[c]!, offset[c]!];
      for (let i = 0; i < pixels; i++) view[to + i] = data[i * channels + c]! * a + b;
    }
  };
}

/** Reads files whole into memory that is used again. */
class FileBuffer {
  #bytes = new Uint8Array(2 ** 16);

  read(path: string): Uint8Array {
    try {
      using file = Deno.openSync(path, { read: true });
      const { size } = file.statSync();
      if (size > PICTURE_BYTES_MAX) {
        throw new RavnError(`${path}: has ${size} bytes, at most ${PICTURE_BYTES_MAX} are read`);
      }
      if (this.#bytes.length < size) this.#bytes = new Uint8Array(size);
      let filled = 0;
      while (filled < size) {
        const count = file.readSync(this.#bytes.subarray(filled, size));
        if (count === null) break;
        filled += count;
      }
      return this.#bytes.subarray(0, filled);
    } catch (thrown) {
      if (thrown instanceof RavnError) throw thrown;
      const why = thrown instanceof Deno.errors.NotFound ? "no such file" : messageOf(thrown);
      throw new RavnError(`${path}: cannot be read: ${why}`, { exitCode: 1, cause: thrown });
    }
  }
}

/** How samples are made from picture files. */
export function makePictures({ seed }: Recipe, how: PictureRecipe, ring: Ring): Make {
  const [lane] = ring.lanes as [Lane];
  const write = pictureWriter(ring, lane, how.steps);
  const augmenter = new Augmenter(how.steps);
  const random = sampleRandom(seed);
  const buffer = new FileBuffer();
  const store = how.kept && new PictureStore(how.kept);
  const { width, height } = how.extent;
  return (slot, sample, epoch) => {
    const file = join(how.folder, how.files[sample]!);
    if (store === undefined || !store.load(sample, augmenter)) {
      decodePicture(buffer.read(file), file, augmenter.picture);
      store?.keep(sample, augmenter);
    }
    const picture = augmenter.apply(random(epoch, sample));
    if (picture.width !== width || picture.height !== height) {
      throw new RavnError(
        `${file}: has ${picture.width}×${picture.height} pixels where ${how.like ?? "the model"} ` +
          `has ${width}×${height}; add a resize or a crop to its transform`,
      );
    }
    write(slot, picture);
  };
}

/** How samples are made from pictures in memory. */
export function makePixels({ seed }: Recipe, how: PixelRecipe, ring: Ring): Make {
  const [lane] = ring.lanes as [Lane];
  const write = pictureWriter(ring, lane, how.steps);
  const augmenter = new Augmenter(how.steps);
  const random = sampleRandom(seed);
  const { shape, planar } = how;
  const size = shape.width * shape.height * shape.channels;
  const bytes = new Uint8Array(how.bytes);
  return (slot, sample, epoch) => {
    augmenter.load(bytes.subarray(sample * size, (sample + 1) * size), shape, planar);
    write(slot, augmenter.apply(random(epoch, sample)));
  };
}
