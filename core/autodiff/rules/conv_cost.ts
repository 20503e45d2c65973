import { area, type ConvShape } from "./conv_shape.ts";

/**
 * Estimates by which the formulations of a convolution's gradients are compared: nanoseconds on one
 * core of a 2.5 GHz x86 server with AVX-512, fitted to ONNX Runtime 1.30 over shapes from 1 × 8 × 8
 * to 64 × 56 × 56. Only their ratios matter, and they are right to a factor of about 1.5.
 */

/**
 * Samples over which the cost of a call is spread: gradients are built before the batch is known.
 */
const SAMPLES = 64;

/** Multiply-adds per ns of a large product, and of the small ones of one sample. */
const LARGE_PRODUCT = 45;
const SMALL_PRODUCT = 35;

/** The same where a convolution picks elements. */
const PICKING = 30;

/** Starting to copy a run of elements, and copying one more. */
const RUN_START = 8;
const RUN_ELEMENT = 0.35;

/** Starting to gather a row. */
const ROW_START = 18;

/** Running a node, however small. */
const NODE = 5000;

/** Turning a map to another layout, an element. */
const TURN = 0.8;

/** A multiply-add of a depthwise convolution. */
const DEPTHWISE = 0.5;

/** Writing an element of a sample's sum, and reading it again. */
const SUMMING = 0.3;

/** Adding columns up, compared with making them. */
const ADDING = 0.6;

/** Channels of a block, and bringing a map to the blocked layout, an element. */
const BLOCK = 16;
const BLOCKING = 0.15;

/** Multiply-adds per ns of a depthwise convolution in that layout. */
const BLOCKED_SINGLE = 10;

/** Multiply-adds per ns of a convolution over the samples. */
const SAMPLES_PRODUCT = 25;

/** Filters that it computes at once; with fewer it is slower. */
const FILTERS_AT_ONCE = 64;

/** A group of a transposed convolution. */
const GROUP = 1000;

/** Fewer positions than a vector is long take as long as a full one. */
const VECTOR = 16;

/**
 * What a formulation does for one sample and for a whole call, and how much of it is shared out.
 */
export interface Work {
  readonly sample_ns: number;
  readonly call_ns?: number;
  readonly nodes: number;
  /** Part of the work that several threads share. */
  readonly parallel: number;
}

/** Time for one sample. */
export function timeOf({ sample_ns, call_ns = 0, nodes, parallel }: Work, threads: number): number {
  const work = sample_ns + call_ns / SAMPLES;
  return work * (1 - parallel + parallel / threads) + nodes * NODE / SAMPLES;
}

/** Multiply-adds of the convolution for one sample. */
function multiplications({ channels, filters, groups, window }: ConvShape): number {
  return filters * channels / groups * area(window.kernel) * Math.max(VECTOR, area(window.output));
}

/** Bringing input and output to a layout with the channels last. */
function turning({ channels, filters, window }: ConvShape): number {
  return TURN * (channels * area(window.input) + filters * area(window.output));
}

/** im2col within a convolution kernel: `rows` of the size of a map. */
function columns(rows: number, map: readonly number[]): number {
  const width = map.at(-1)!;
  return rows * area(map) / width * (RUN_START + RUN_ELEMENT * width);
}

/** Writing the weight's gradient of one sample and adding it to the others'. */
function summing({ channels, filters, groups, window }: ConvShape): number {
  return SUMMING * filters * channels / groups * area(window.kernel);
}

/** A stack of products, one for each sample. */
export function stackWork(shape: ConvShape): Work {
  const sample_ns = multiplications(shape) / SMALL_PRODUCT + summing(shape);
  return { sample_ns, nodes: 8, parallel: 0.95 };
}

/** One product for all samples, which have to stand side by side. */
export function joinedWork(shape: ConvShape): Work {
  const { channels, filters, window } = shape;
  const runs = (channels + filters) * (RUN_START + RUN_ELEMENT * area(window.output));
  const product = channels * filters * area(window.output) / LARGE_PRODUCT;
  return { sample_ns: runs + product, nodes: 6, parallel: 0.85 };
}

/** Columns by a convolution that picks elements, then a product for each sample. */
export function pickedWork(shape: ConvShape): Work {
  const { channels, window } = shape;
  const k = area(window.kernel);
  const picking = channels * k * k * area(window.output) / PICKING;
  const sample_ns = columns(channels * k, window.output) + picking +
    multiplications(shape) / SMALL_PRODUCT + summing(shape);
  return { sample_ns, nodes: 10, parallel: 0.95 };
}

/** Columns by shifted copies, in two steps. */
export function tappedWork(shape: ConvShape): Work {
  const { channels, window } = shape;
  const copied = channels * area(window.kernel) * area(window.output);
  const sample_ns = copied + multiplications(shape) / SMALL_PRODUCT + summing(shape);
  return { sample_ns, nodes: 4 * window.kernel.reduce((sum, k) => sum + k, 0), parallel: 0.5 };
}

/** Bringing slices to where a convolution in two dimensions reads them, and its results back. */
export function slicingWork(
  shape: ConvShape,
  gradient: "data" | "weight",
  tapsAs: "channels" | "filters",
): Work {
  const { channels, filters, window } = shape;
  const { input, output, kernel } = window;
  const copied = tapsAs === "filters"
    ? filters * kernel[0]! * input[0]! * area(output.slice(1))
    : channels * kernel[0]! * output[0]! * area(input.slice(1));
  // What was made for each tap is not only moved but added up.
  const moves = gradient === "data" && tapsAs === "channels" ? 2 : 1;
  const sample_ns = turning(shape) / 2 + moves * RUN_ELEMENT * copied;
  return { sample_ns, nodes: 8, parallel: 0.85 };
}

/** Columns by gathered rows of channels: `sources` channels for each of `targets` positions. */
export function gatheredWork(shape: ConvShape, sources: number, targets: number): Work {
  const { channels, filters, window } = shape;
  const k = area(window.kernel);
  const gathering = targets * k * (ROW_START + RUN_ELEMENT * sources);
  const sample_ns = gathering + turning(shape) + filters * channels * k * targets / LARGE_PRODUCT;
  return { sample_ns, nodes: 9, parallel: 0.85 };
}

/** A banded product along the last axis, of gathered rows of maps. */
export function bandedWork(shape: ConvShape, gradient: "data" | "weight"): Work {
  const { channels, filters, groups, window } = shape;
  const { input, output, kernel } = window;
  const taps = area(kernel.slice(0, -1));
  const [width, narrow] = [input.at(-1)! * channels, output.at(-1)! * filters];
  const targets = area((gradient === "data" ? input : output).slice(0, -1));
  const row = gradient === "data" ? narrow : width;
  const gathering = targets * taps * (ROW_START + RUN_ELEMENT * row);
  const product = targets * taps * width * narrow / groups / LARGE_PRODUCT;
  const bands = gradient === "data"
    ? filters * taps * input.at(-1)! * output.at(-1)!
    : filters * area(kernel) * output.at(-1)!;
  return {
    sample_ns: gathering + turning(shape) + product,
    call_ns: bands * (ROW_START + RUN_ELEMENT * channels / groups),
    nodes: gradient === "data" ? 13 : 20,
    parallel: 0.85,
  };
}

/** A depthwise convolution of x by dy, one sample above the other. */
export function correlatedWork(shape: ConvShape): Work {
  const { channels, filters, window } = shape;
  const product = filters * area(window.kernel) * area(window.output);
  if (!isBlocked(shape)) {
    return { sample_ns: turning(shape) + DEPTHWISE * product, nodes: 9, parallel: 0.9 };
  }
  const turned = 3 * BLOCKING * (channels * area(window.input) + filters * area(window.output));
  return { sample_ns: turned + product / BLOCKED_SINGLE, nodes: 9, parallel: 0.9 };
}

/**
 * A convolution of x by dy over the samples. It is fast where it is blocked, which takes a batch of
 * whole blocks, and else slow: by this estimate it seldom comes first, but is among those timed.
 */
export function samplesWork(shape: ConvShape): Work {
  const { channels, filters, groups, window } = shape;
  // Narrow groups are taken together until their filters fill a block.
  const each = filters / groups;
  const merged = groups === 1 ? 1 : Math.ceil(BLOCK / each);
  const product = filters * channels * merged / groups * area(window.kernel) * area(window.output);
  const wide = each * merged >= FILTERS_AT_ONCE;
  const rate = SAMPLES_PRODUCT * (wide ? 1 : 0.5) * (filters % BLOCK === 0 ? 1 : 0.25);
  const blocking = 4 * BLOCKING * (channels * area(window.input) + filters * area(window.output));
  return { sample_ns: blocking + product / rate, nodes: 14, parallel: 0.95 };
}

/** A convolution of dy with the weight reversed; ONNX Runtime has a kernel for depthwise ones. */
export function flippedWork(shape: ConvShape): Work {
  const { channels, filters, groups, window } = shape;
  const k = area(window.kernel);
  const wide = Math.max(12, channels / groups);
  const product = filters * wide * k * area(window.input) / LARGE_PRODUCT;
  const depthwise = groups === channels && groups === filters;
  const sample_ns = depthwise
    ? DEPTHWISE * filters * k * area(window.input)
    : columns(filters * k, window.input) + product;
  return { sample_ns, call_ns: 10 * filters * channels / groups * k, nodes: 3, parallel: 0.95 };
}

/** True where each channel is convolved by itself. */
function isSingle({ channels, filters, groups }: Omit<ConvShape, "window">): boolean {
  return groups > 1 && groups === channels && groups === filters;
}

/**
 * True where ONNX Runtime's blocked layout, of at most 16 channels a block, can take a convolution:
 * see `core/runtime/blocked`.
 */
function isBlocked({ channels, filters, groups, window }: ConvShape): boolean {
  const whole = channels % BLOCK === 0 && filters % BLOCK === 0;
  const together = groups === 1 || isSingle({ channels, filters, groups }) ||
    channels === filters && channels / groups % (BLOCK / 2) === 0;
  return whole && together && window.kernel.length === 2 && area(window.dilations) === 1 &&
    area(window.kernel) > 1 && window.kernel.every((k, i) => k >= window.strides[i]!);
}

/** A transposed convolution, which adds columns up on one thread where it is not blocked. */
export function transposedWork(shape: ConvShape): Work {
  const { channels, filters, groups, window } = shape;
  if (isBlocked(shape)) {
    const [k, positions] = [area(window.kernel), area(window.output)];
    const wide = isSingle(shape) ? 1 : Math.max(BLOCK, channels / groups);
    const rate = isSingle(shape) ? BLOCKED_SINGLE : LARGE_PRODUCT;
    const product = filters * wide * k * positions / rate;
    return {
      sample_ns: product + BLOCKING * (channels * area(window.input) + filters * positions),
      call_ns: filters * channels / groups * k,
      nodes: 8,
      parallel: 0.95,
    };
  }
  const added = ADDING * columns(channels * area(window.kernel), window.output);
  const sample_ns = added + multiplications(shape) / SMALL_PRODUCT + GROUP * groups;
  return { sample_ns, nodes: 1, parallel: 0.1 };
}
