import { makeRoom, type Picture } from "./picture.ts";

/** A rectangle of pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Which pixels of a line make each pixel of the line it is scaled to, and how they are weighed. */
interface Weights {
  /** First source pixel of each target pixel. */
  readonly first: Int32Array;
  /** Source pixels of each target pixel. */
  readonly count: Int32Array;
  /** Their weights, `width` places a target pixel; each row sums to 1. */
  readonly weights: Float32Array;
  readonly width: number;
}

/** Scales that are remembered; an epoch of random crops meets a few hundred. */
const REMEMBERED_MAX = 1024;
const remembered = new Map<number, Weights>();

/**
 * Bilinear weights with antialiasing: a triangle as wide as the scale where that shrinks, i.e.
 * w(j) ∝ max(0, 1 − |j + ½ − c| / s), c = (i + ½)·n/m, s = max(1, n/m), for pixel i of m from n.
 */
function makeWeights(from: number, to: number): Weights {
  const scale = from / to;
  const support = Math.max(1, scale);
  const width = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Float32Array(to * width);
  for (let i = 0; i < to; i++) {
    const centre = scale * (i + 0.5);
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const high = Math.min(from, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = low; j < high; j++) {
      const weight = Math.max(0, 1 - Math.abs(j + 0.5 - centre) / support);
      weights[i * width + j - low] = weight;
      sum += weight;
    }
    for (let j = low; j < high; j++) weights[i * width + j - low]! /= sum;
    first[i] = low;
    count[i] = high - low;
  }
  return { first, count, weights, width };
}

function weightsOf(from: number, to: number): Weights {
  const key = from * 65_536 + to;
  let found = remembered.get(key);
  if (found === undefined) {
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(key, found = makeWeights(from, to));
  }
  return found;
}

/** Memory between the two passes, kept from one picture to the next. */
let between = new Float32Array(0);

/** Rows of `box` scaled to `width`; row y of the result begins at y · width · channels. */
function scaleRows(source: Picture, box: Box, width: number): Float32Array {
  const { channels, data } = source;
  const size = box.height * width * channels;
  if (between.length < size) between = new Float32Array(size);
  const { first, count, weights, width: room } = weightsOf(box.width, width);
  const pitch = source.width * channels;
  for (let y = 0; y < box.height; y++) {
    const row = (box.top + y) * pitch + box.left * channels;
    for (let i = 0; i < width; i++) {
      const to = (y * width + i) * channels;
      const start = row + first[i]! * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let j = 0; j < count[i]!; j++) {
          sum += weights[i * room + j]! * data[start + j * channels + c]!;
        }
        between[to + c] = sum;
      }
    }
  }
  return between;
}

/**
 * Scales `box` of `source` to `width` × `height` pixels: bilinear, antialiased where it shrinks, as
 * PyTorch's `interpolate(mode="bilinear", antialias=True)`. Values are rounded once, at the end.
 */
export function resample(
  source: Picture,
  box: Box,
  target: Picture,
  size: { readonly width: number; readonly height: number },
): void {
  const { width, height } = size;
  const { channels } = source;
  const rows = scaleRows(source, box, width);
  const data = makeRoom(target, width * height * channels);
  const { first, count, weights, width: room } = weightsOf(box.height, height);
  const pitch = width * channels;
  for (let y = 0; y < height; y++) {
    const start = first[y]! * pitch;
    for (let i = 0; i < pitch; i++) {
      let sum = 0.5;
      for (let j = 0; j < count[y]!; j++) {
        sum += weights[y * room + j]! * rows[start + j * pitch + i]!;
      }
      data[y * pitch + i] = sum;
    }
  }
  Object.assign(target, { width, height, channels });
}
