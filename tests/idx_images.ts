import { join } from "node:path";
import { Random } from "../core/random.ts";

const SIDE = 28;
const CLASSES = 10;

/** Images and labels in two files, gzipped idx as MNIST has them. */
export interface IdxImages {
  readonly images: string;
  readonly labels: string;
  readonly count: number;
}

/**
 * The test set of MNIST, where the variable `RAVN_MNIST` names a folder with its files; else 640
 * made-up images, each a noisy copy of one of ten patterns, written into `folder`.
 */
export async function idxImages(folder: string): Promise<IdxImages> {
  const mnist = Deno.env.get("RAVN_MNIST");
  if (mnist !== undefined) {
    const images = join(mnist, "t10k-images-idx3-ubyte.gz");
    return { images, labels: join(mnist, "t10k-labels-idx1-ubyte.gz"), count: 10_000 };
  }
  const count = 640;
  const random = new Random(11);
  const pattern = Uint8Array.from({ length: CLASSES * SIDE * SIDE }, () => 160 * random.integer(2));
  const labels = Uint8Array.from({ length: count }, () => random.integer(CLASSES));
  const pixels = new Uint8Array(count * SIDE * SIDE);
  pixels.forEach((_, i) => {
    const place = labels[Math.floor(i / (SIDE * SIDE))]! * SIDE * SIDE + i % (SIDE * SIDE);
    pixels[i] = pattern[place]! + random.integer(96);
  });
  const files = { images: join(folder, "images.idx.gz"), labels: join(folder, "labels.idx.gz") };
  await Deno.writeFile(files.images, await idx([count, SIDE, SIDE], pixels));
  await Deno.writeFile(files.labels, await idx([count], labels));
  return { ...files, count };
}

/** An idx file of bytes: magic number, dimensions (32 bits, big end first), elements; gzipped. */
function idx(dims: readonly number[], bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const head = new DataView(new ArrayBuffer(4 + 4 * dims.length));
  head.setUint32(0, 0x0800 + dims.length);
  dims.forEach((dim, i) => head.setUint32(4 + 4 * i, dim));
  const gzip = new CompressionStream("gzip");
  return new Response(new Blob([head.buffer, bytes]).stream().pipeThrough(gzip)).bytes();
}
