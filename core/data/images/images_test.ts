import assert from "node:assert/strict";
import { Random } from "../../random.ts";
import { readColumn } from "../column.ts";
import { assertRefused, fixture, tempFolder } from "../testing.ts";
import { Augmenter, randomBox } from "./augment.ts";
import { decodePicture } from "./decode.ts";
import { decodePng } from "./png.ts";
import { encodePng } from "./png_write.ts";
import { emptyPicture, type Picture, toGrey } from "./picture.ts";
import { resample } from "./resample.ts";
import type { Step } from "./transform.ts";

const PICTURES = "pictures/pixels.npz";

async function expected(name: string): Promise<Picture> {
  const { bytes, count, dims } = await readColumn(`${fixture(PICTURES)}#${name}`);
  const [width, channels = 1] = dims as [number, number?];
  return { width, height: count, channels, data: bytes };
}

async function read(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return await Deno.readFile(fixture(`pictures/${name}`));
}

async function decoded(name: string): Promise<Picture> {
  const picture = emptyPicture();
  decodePicture(await read(name), name, picture);
  return picture;
}

/** Largest difference of two pictures of one shape. */
function distance(a: Picture, b: Picture): number {
  assert.deepEqual([a.width, a.height, a.channels], [b.width, b.height, b.channels]);
  let most = 0;
  for (let i = 0; i < a.width * a.height * a.channels; i++) {
    most = Math.max(most, Math.abs(a.data[i]! - b.data[i]!));
  }
  return most;
}

Deno.test("png of every kind is read as Pillow reads it", async () => {
  for (
    const [file, name] of [["colour.png", "colour"], ["alpha.png", "colour"], [
      "palette.png",
      "palette",
    ]]
  ) {
    assert.equal(distance(await decoded(file!), await expected(name!)), 0, file);
  }
  for (const name of ["grey", "bits"]) {
    const picture = emptyPicture();
    decodePng(await read(`${name}.png`), name, picture);
    assert.equal(distance(picture, await expected(name)), 0, name);
  }
});

Deno.test("jpeg is read as Pillow reads it, up to rounding; chroma is not smoothed", async () => {
  assert.ok(distance(await decoded("baseline.jpg"), await expected("baseline")) <= 3);
  assert.ok(distance(await decoded("progressive.jpg"), await expected("progressive")) <= 3);
  const grey = await decoded("grey.jpg");
  toGrey(grey);
  assert.ok(distance(grey, await expected("grey_jpg")) <= 2);
  const [a, b] = [await decoded("subsampled.jpg"), await expected("subsampled")];
  const sum = a.data.reduce((total, value, i) => total + Math.abs(value - b.data[i]!), 0);
  assert.ok(sum / a.data.length < 6, `mean difference ${sum / a.data.length}`);
});

Deno.test("scaling is PyTorch's antialiased bilinear interpolation", async () => {
  const colour = await expected("colour");
  const whole = { left: 0, top: 0, width: colour.width, height: colour.height };
  const target = emptyPicture();
  resample(colour, whole, target, { width: 7, height: 5 });
  assert.ok(distance(target, await expected("smaller")) <= 1);
  resample(colour, whole, target, { width: 31, height: 40 });
  assert.ok(distance(target, await expected("larger")) <= 1);
  resample(colour, { left: 2, top: 3, width: 10, height: 12 }, target, { width: 4, height: 24 });
  assert.ok(distance(target, await expected("mixed")) <= 1);
});

Deno.test("a png that ravn writes is read back, also as grey", async () => {
  const colour = await expected("colour");
  const back = emptyPicture();
  decodePng(encodePng(colour), "x.png", back);
  assert.equal(distance(back, colour), 0);
  toGrey(colour);
  decodePng(encodePng(colour), "x.png", back);
  assert.equal(distance(back, colour), 0);
});

async function transformed(steps: Step[], seed = 1): Promise<Picture> {
  const colour = await expected("colour");
  const augmenter = new Augmenter(steps);
  augmenter.load(colour.data, { width: colour.width, height: colour.height, channels: 3 }, false);
  return augmenter.apply(new Random(seed));
}

Deno.test("crops lie where torchvision puts them, and are black outside", async () => {
  const colour = await expected("colour");
  const pixel = (
    { data, width }: Picture,
    x: number,
    y: number,
  ) => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
  // round(8.5) and round(6.5) to even: 8 and 6.
  const middle = await transformed([{ type: "center_crop", size: [4, 6] }]);
  assert.deepEqual([middle.width, middle.height], [6, 4]);
  assert.deepEqual(pixel(middle, 0, 0), pixel(colour, 8, 6));
  const padded = await transformed([{ type: "center_crop", size: 27 }]);
  assert.deepEqual(pixel(padded, 0, 0), [0, 0, 0]);
  assert.deepEqual(pixel(padded, 2, 5), pixel(colour, 0, 0));
  const flipped = await transformed([{ type: "horizontal_flip", p: 1 }]);
  assert.deepEqual(pixel(flipped, 0, 3), pixel(colour, 22, 3));
  const resized = await transformed([{ type: "resize", size: 34 }]);
  assert.deepEqual([resized.width, resized.height], [46, 34]);
});

Deno.test("a padded crop is the picture moved, anywhere it may go", async () => {
  const seen = new Set<string>();
  const colour = await expected("colour");
  for (let seed = 0; seed < 60; seed++) {
    const { data, width } = await transformed(
      [{ type: "random_crop", size: [17, 23], padding: 2 }],
      seed,
    );
    const [x, y] = [8, 8];
    const found = [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)].join();
    const places: string[] = [];
    for (let dy = -2; dy <= 2; dy++) {
      for (let dx = -2; dx <= 2; dx++) {
        const at = ((y + dy) * 23 + x + dx) * 3;
        if ([...colour.data.subarray(at, at + 3)].join() === found) places.push(`${dx},${dy}`);
      }
    }
    assert.ok(places.length > 0, "every pixel comes from within the padding");
    places.forEach((place) => seen.add(place));
  }
  assert.ok(seen.size > 12, `${seen.size} of 25 places`);
});

Deno.test("random boxes keep to scale and ratio, and cover the picture evenly", () => {
  const step = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;
  const random = new Random(3);
  let area = 0;
  const count = 4000;
  for (let i = 0; i < count; i++) {
    const { left, top, width, height } = randomBox({ width: 100, height: 100 }, step, random);
    assert.ok(left >= 0 && top >= 0 && left + width <= 100 && top + height <= 100);
    assert.ok(width / height > 0.7 && width / height < 1.42);
    area += width * height / 1e4;
  }
  // Large boxes of a slanted ratio do not fit, so the mean lies a little below (0.08 + 1) / 2.
  assert.ok(area / count > 0.45 && area / count < 0.56, String(area / count));
  const narrow = randomBox({ width: 10, height: 100 }, { scale: [1, 1], ratio: [1, 1] }, random);
  assert.deepEqual(narrow, { left: 0, top: 45, width: 10, height: 10 });
});

Deno.test("damaged pictures are refused by name before memory is taken", async () => {
  const refuse = async (bytes: Uint8Array, message: RegExp) =>
    await assertRefused(() => decodePicture(bytes, "bad", emptyPicture()), message);
  const png = await read("colour.png");
  const jpeg = await read("baseline.jpg");
  await refuse(png.subarray(0, 60), /bad: is a damaged png: it ends/);
  await refuse(jpeg.subarray(0, jpeg.length / 2), /bad: is a damaged jpeg: it is cut short/);
  await refuse(new Uint8Array(0), /bad: is empty; expected png or jpeg/);
  await refuse(new TextEncoder().encode("GIF89a…"), /no picture that ravn reads/);
  const wide = png.slice();
  new DataView(wide.buffer).setUint32(16, 2 ** 30);
  await refuse(wide, /it claims 1073741824×17 pixels/);
  const tall = jpeg.slice();
  const frame = tall.findIndex((byte, i) => byte === 0xff && tall[i + 1] === 0xc0);
  tall.set([0xff, 0xff, 0xff, 0xff], frame + 5);
  await refuse(tall, /cannot hold 65535×65535 pixels/);
  const flipped = png.slice();
  flipped[60]! ^= 1;
  await refuse(flipped, /check sum/);
});

Deno.test("whatever happens to a picture file, the error is clean", async () => {
  const random = new Random(7);
  for (const name of ["colour.png", "palette.png", "baseline.jpg", "progressive.jpg"]) {
    const whole = await read(name);
    for (let round = 0; round < 150; round++) {
      const bytes = whole.slice(0, round % 3 === 0 ? random.integer(whole.length) : whole.length);
      for (let i = 0; i < 1 + round % 5; i++) {
        if (bytes.length > 0) bytes[random.integer(bytes.length)] = random.integer(256);
      }
      const picture = emptyPicture();
      try {
        decodePicture(bytes, name, picture);
        assert.ok(picture.width * picture.height * 3 <= picture.data.length);
      } catch (thrown) {
        await assertRefused(() => Promise.reject(thrown), new RegExp(name));
      }
    }
  }
});

Deno.test("an interlaced png of 16 bits is read", async () => {
  await using folder = await tempFolder();
  // 3×2, grey, 16 bits, Adam7; made by hand: passes 1, 4, 6 (row 0) and 7 (row 1).
  const { deflateSync, crc32 } = await import("node:zlib");
  const chunk = (type: string, content: number[] | Uint8Array) => {
    const body = [...new TextEncoder().encode(type), ...content];
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, content.length);
    view.setUint32(4, crc32(Uint8Array.from(body)));
    const ends = [...new Uint8Array(view.buffer)];
    return [...ends.slice(0, 4), ...body, ...ends.slice(4)];
  };
  const pixels = [0, 10, 0, 0, 30, 0, 0, 20, 0, 0, 40, 0, 50, 0, 60, 0];
  const bytes = Uint8Array.from([
    ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    ...chunk("IHDR", [0, 0, 0, 3, 0, 0, 0, 2, 16, 0, 0, 0, 1]),
    ...chunk("IDAT", deflateSync(Uint8Array.from(pixels))),
    ...chunk("IEND", []),
  ]);
  const file = await folder.file("a.png", bytes);
  const picture = emptyPicture();
  decodePng(await Deno.readFile(file), file, picture);
  assert.deepEqual([...picture.data], [10, 20, 30, 40, 50, 60]);
});
