import { intOf, type Node } from "../../onnx/mod.ts";
import { BLOCKED, perAxis, type Rewriting } from "./rewriting.ts";
import { writeByBatch } from "./usual_batch.ts";

/** Maps of all samples, padded, one above the other: [N, C, H, W] as [C, N rows, W]. */
interface Pile {
  /** The maps as they were. */
  readonly maps: string;
  /** Padding of each map: top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
  /** Width, padding included. */
  readonly width: number;
}

/** Reads Reshape(Pad(Transpose(maps))) as a pile. */
function pileOf(to: Rewriting, value: string): Pile | undefined {
  const width = to.sizes(value)?.[3];
  const reshape = to.maker(value);
  if (reshape?.op !== "Reshape" || width === undefined) return undefined;
  let below = to.maker(reshape.inputs[0]!);
  let pads: readonly number[] = new Array<number>(8).fill(0);
  if (below?.op === "Pad" && below.inputs.length === 2) {
    pads = to.integers(below.inputs[1]!) ?? [];
    below = to.maker(below.inputs[0]!);
  }
  if (below?.op !== "Transpose" || pads.length !== 8) return undefined;
  if (perAxis(below, "perm", 4, 0).join() !== "1,0,2,3") return undefined;
  const [outer, rows, columns] = [pads.slice(0, 2), pads.slice(2, 4), pads.slice(6, 8)];
  if ([...outer, ...pads.slice(4, 6)].some((pad) => pad !== 0)) return undefined;
  const [top, left, bottom, right] = [...rows, ...columns] as [number, number, number, number];
  return { maps: below.inputs[0]!, pads: [top, left, bottom, right], width };
}

/** A depthwise correlation of one pile by another. */
interface Correlation {
  readonly image: Pile;
  readonly filter: Pile;
  readonly channels: number;
  readonly strides: readonly [number, number];
  /** Rows of the result. */
  readonly taps: number;
}

/** The nodes of a branch may not have a name twice: a value is padded in one place only. */
function padded(to: Rewriting, { maps, pads, width }: Pile, channels: number, block: number) {
  const [top, left, bottom, right] = pads;
  const rows = [0, channels / block, 0, (width - left - right) * block];
  const lines = to.reshape(to.reordered(maps), rows);
  if (pads.every((pad) => pad === 0)) return lines;
  const amounts = [0, 0, top, left * block, 0, 0, bottom, right * block];
  return to.node("Pad", [lines, to.ints(amounts)]);
}

/** The correlation over the piles: one kernel runs over all samples, however many. */
function piled(to: Rewriting, { image, filter, ...o }: Correlation, block: number): string {
  const { channels, strides, taps } = o;
  const stacked = (pile: Pile, lead: readonly number[]) => {
    const turned = to.node("Transpose", [padded(to, pile, channels, block)], {
      perm: [1, 0, 2, 3],
    });
    return to.reshape(turned, [...lead, -1, pile.width]);
  };
  const operands = [stacked(image, [1, channels]), stacked(filter, [channels, 1])];
  return to.node("Conv", operands, {
    dilations: strides,
    group: channels,
    pads: [0, 0, taps - strides[0], 0],
  }, BLOCKED);
}

/**
 * The correlation sample by sample, for a known number of them: their channels stand side by side,
 * so that nothing is moved, and the results are added up.
 */
function bySample(
  to: Rewriting,
  { image, filter, ...o }: Correlation,
  block: number,
  samples: number,
): string {
  const { channels, strides, taps } = o;
  const all = samples * channels;
  const [top, left, bottom, right] = image.pads;
  // A pile's map is as high as a multiple of the stride; the last rows meet nothing.
  const [down] = strides;
  const below = bottom - (filter.pads[2] + 1) * down + taps;
  // The kernel takes outputs that meet padding one by one. With few steps that is still cheaper.
  const first = strides.every((stride) => stride === 1);
  const maps = first
    ? to.reshape(padded(to, { ...image, pads: [top, left, below, right] }, channels, block), [
      1,
      all,
      -1,
      image.width,
    ])
    : to.reshape(to.reordered(image.maps), [1, all, 0, 0]);
  const filters = to.reshape(to.reordered(filter.maps), [all, 1, 0, 0]);
  const pads = first ? [0, 0, 0, 0] : [top, left, below, right];
  const each = to.node("Conv", [maps, filters], { dilations: strides, group: all, pads }, BLOCKED);
  const rows = to.reshape(each, [samples, -1]);
  // A product with ones takes a fraction of the time of ReduceSum over so few rows.
  const ones = to.floats([1, samples], new Array<number>(samples).fill(1));
  const sum = to.node("MatMul", [ones, rows]);
  return to.reshape(sum, [1, channels, taps, -1]);
}

function correlationOf(to: Rewriting, node: Node, block: number): Correlation | undefined {
  const [x, w] = node.inputs as [string, string];
  const channels = intOf(node, "group", 1);
  const [image, filter] = [pileOf(to, x), pileOf(to, w)];
  if (image === undefined || filter === undefined || channels % block !== 0) return undefined;
  const [down, right] = perAxis(node, "dilations", 2, 1) as [number, number];
  const [, , end] = perAxis(node, "pads", 4, 0);
  return { image, filter, channels, strides: [down, right], taps: down + end! };
}

/**
 * Writes the weight gradient of a depthwise convolution, which comes as a convolution of piled maps
 * by piled maps (see `conv_depthwise.ts` of autodiff).
 *
 * @param samples the usual number of samples, for which there is a faster form
 * @returns false where this node is none; nothing is written then
 */
export function writeCorrelation(
  to: Rewriting,
  node: Node,
  block: number,
  samples: number | undefined,
): boolean {
  const found = correlationOf(to, node, block);
  if (found === undefined) return false;
  const { image, filter, channels } = found;
  const [result] = node.outputs as [string];
  if (samples === undefined || to.opset < 13) {
    to.emit("ReorderOutput", [piled(to, found, block)], { channels }, BLOCKED, result);
    return true;
  }
  // Both branches read these.
  for (const { maps } of [image, filter]) to.reordered(maps);
  const filters = (write: () => string) => () =>
    to.node("ReorderOutput", [write()], { channels }, BLOCKED);
  writeByBatch(
    to,
    { value: image.maps, samples, result },
    filters(() => bySample(to, found, block, samples)),
    filters(() => piled(to, found, block)),
  );
  return true;
}
