import { intOf, type Node, stringOf } from "../../onnx/mod.ts";
import { BLOCKED, perAxis, type Rewriting } from "./rewriting.ts";
import { writeByBatch } from "./usual_batch.ts";

/** [C/g, M, kh, kw] to [M, C/g, kh, kw]. */
const FILTERS_FIRST = [1, 0, 2, 3];

/** Nodes that rearrange a value, the first being the first to run. */
interface Chain {
  readonly source: string;
  readonly nodes: readonly Node[];
}

/** The chain of these operators that makes a value, read from the last to the first. */
function chainOf(to: Rewriting, value: string, operators: readonly string[]): Chain | undefined {
  const nodes: Node[] = [];
  let source = value;
  for (const operator of operators) {
    const node = to.maker(source);
    if (node?.op !== operator || node.domain !== "") return undefined;
    nodes.unshift(node);
    source = node.inputs[0]!;
  }
  return { source, nodes };
}

/** The same nodes again: those of a branch have to stand in it. */
function copied(to: Rewriting, { source, nodes }: Chain): string {
  return nodes.reduce(
    (value, { op, inputs, attributes }) => to.node(op, [value, ...inputs.slice(1)], attributes),
    source,
  );
}

/** A convolution [C/g, g N, H, W] by [M, N, P, Q] of g groups: the samples are the channels. */
interface SampleChannels {
  readonly node: Node;
  readonly image: Chain;
  readonly filter: Chain;
  /** Padding of the image: top, left, bottom, right; negative crops. */
  readonly pads: readonly [number, number, number, number];
  readonly groups: number;
  /** Channels of a group. */
  readonly perGroup: number;
  readonly filters: number;
  /** Sizes of the padded image's maps and of the filter's. */
  readonly map: readonly [number, number];
  readonly kernel: readonly [number, number];
}

/** The padding of maps with zeros, top, left, bottom and right, and what is padded. */
function paddingOf(to: Rewriting, value: string): Chain & Pick<SampleChannels, "pads"> {
  const none = { source: value, nodes: [], pads: [0, 0, 0, 0] } as const;
  const found = chainOf(to, value, ["Pad"]);
  const [node] = found?.nodes ?? [];
  if (found === undefined || node === undefined || node.inputs.length !== 2) return none;
  const amounts = to.integers(node.inputs[1]!);
  if (stringOf(node, "mode", "constant") !== "constant" || amounts?.length !== 8) return none;
  if ([0, 1, 4, 5].some((i) => amounts[i] !== 0)) return none;
  const [top, left, bottom, right] = [2, 3, 6, 7].map((i) => amounts[i]!);
  return { ...found, pads: [top!, left!, bottom!, right!] };
}

/** Reads Reshape(Transpose(Reshape(Pad?(x)))) and Reshape(Transpose(dy)). */
function sampleChannelsOf(to: Rewriting, node: Node): SampleChannels | undefined {
  const [x, w] = node.inputs as [string, string];
  const turned = chainOf(to, x, ["Reshape", "Transpose", "Reshape"]);
  const filter = chainOf(to, w, ["Reshape", "Transpose"]);
  if (turned === undefined || filter === undefined) return undefined;
  if (perAxis(turned.nodes[1]!, "perm", 5, 0).join() !== "2,1,0,3,4") return undefined;
  if (perAxis(filter.nodes[0]!, "perm", 4, 0).join() !== "1,0,2,3") return undefined;
  const padding = paddingOf(to, turned.source);
  const [perGroup, , high, wide] = to.sizes(x) ?? [];
  const [filters, , ...kernel] = to.sizes(w) ?? [];
  if (perGroup === undefined || filters === undefined) return undefined;
  const [down, across] = kernel;
  if (high === undefined || wide === undefined || down === undefined || across === undefined) {
    return undefined;
  }
  return {
    node,
    image: { source: padding.source, nodes: [...padding.nodes, ...turned.nodes] },
    filter,
    pads: padding.pads,
    groups: intOf(node, "group", 1),
    perGroup,
    filters,
    map: [high, wide],
    kernel: [down, across],
  };
}

/** How the samples and the groups fall into blocks. */
interface Blocks {
  readonly block: number;
  readonly samples: number;
  /** Blocks of samples; the last may be filled up with zeros. */
  readonly count: number;
  /** Groups that are taken as one, so that their filters make whole blocks. */
  readonly merged: number;
}

/** `value`, of so many samples of `size` elements, with zeros to a whole number of blocks. */
function filledUp(to: Rewriting, value: string, size: number, o: Blocks): string {
  const missing = o.count * o.block - o.samples;
  if (missing === 0) return value;
  const rows = to.reshape(value, [o.samples, size]);
  return to.node("Pad", [rows, to.ints([0, 0, missing, 0])]);
}

/** Channels side by side at most, and where groups give threads enough to share out. */
const ABREAST_MAX = 8;
const ABREAST_OF_GROUPS_MAX = 16;

/** Accumulators that keep the multipliers busy, and blocks of filters that are computed at once. */
const ACCUMULATORS = 12;
const BLOCKS_AT_ONCE = 4;

/** Positions of a map from which channels stand abreast although the accumulators are busy. */
const POSITIONS = 64;

/**
 * How many channels of x stand side by side along the width, the kernel being dilated by as many.
 * MLAS computes up to six neighbouring outputs at once, each of up to four blocks of filters, but a
 * kernel's width is only 3 or 5 of them: with fewer than a dozen sums it waits for its own results.
 */
function abreastOf({ perGroup, filters, groups, kernel, ...o }: SampleChannels, b: Blocks): number {
  const [, taps] = tapsOf({ kernel, ...o });
  const blocks = Math.min(BLOCKS_AT_ONCE, filters / groups * b.merged / b.block);
  const busy = blocks * Math.min(taps, 6) >= ACCUMULATORS;
  if (busy && kernel[0] * kernel[1] < POSITIONS) return 1;
  const channels = perGroup * b.merged;
  const most = groups / b.merged > 1 ? ABREAST_OF_GROUPS_MAX : ABREAST_MAX;
  let abreast = Math.min(most, channels);
  while (channels % abreast !== 0) abreast--;
  return abreast;
}

/** Height and width of the weight's kernel. */
function tapsOf(
  { node, map, kernel }: Pick<SampleChannels, "node" | "map" | "kernel">,
): [number, number] {
  const dilations = perAxis(node, "dilations", 2, 1);
  const [high, wide] = kernel.map((size, i) => map[i]! - (size - 1) * dilations[i]!);
  return [high!, wide!];
}

/**
 * x as [c / a, g N / block, H, W a, block], padded, with `abreast` channels a side by side.
 * Matrices are transposed in no time.
 */
function imageOf(to: Rewriting, found: SampleChannels, o: Blocks, abreast: number): string {
  const { image, pads, map, merged, ...rest } = { ...found, ...o };
  const [top, left, bottom, right] = pads;
  const [height, width] = [map[0] - top - bottom, map[1] - left - right];
  const [groups, channels] = [rest.groups / merged, rest.perGroup * merged];
  const size = groups * channels * height * width;
  const rows = filledUp(to, image.source, size, o);
  const blocked = to.reordered(to.reshape(rows, [1, o.count * o.block, size, 1]));
  const lines = channels / abreast;
  const positions = height * width;
  const stack = to.reshape(blocked, [o.count, groups, lines, abreast, positions, o.block]);
  const sorted = abreast === 1 && [o.count, groups, lines].filter((n) => n > 1).length < 2
    ? stack
    : to.node("Transpose", [stack], { perm: [2, 1, 0, 4, 3, 5] });
  const element = abreast * o.block;
  const maps = to.reshape(sorted, [lines * groups * o.count, height, width * element]);
  const amounts = [0, top, left * element, 0, bottom, right * element];
  const padded = amounts.every((n) => n === 0) ? maps : to.node("Pad", [maps, to.ints(amounts)]);
  return to.reshape(padded, [lines, groups * o.count * o.block, map[0], map[1] * abreast]);
}

/** dy as [M / block, N / block, P, Q, block of N, block of M]. */
function filterOf(to: Rewriting, { filter, filters, kernel }: SampleChannels, o: Blocks): string {
  const positions = kernel[0] * kernel[1];
  const rows = filledUp(to, to.reordered(filter.source), filters * positions, o);
  const stack = to.reshape(rows, [o.count, o.block, filters / o.block, positions, o.block]);
  const turned = to.node("Transpose", [stack], { perm: [2, 0, 3, 1, 4] });
  return to.reshape(turned, [filters, o.count * o.block, ...kernel]);
}

/** The convolution of blocked operands with the filters in front: [M, C/g, kh, kw]. */
function blocked(to: Rewriting, found: SampleChannels, o: Blocks): string {
  const { filters, groups, perGroup, node } = found;
  const [down, right] = perAxis(node, "dilations", 2, 1) as [number, number];
  const abreast = abreastOf(found, o);
  const operands = [imageOf(to, found, o, abreast), filterOf(to, found, o)];
  const attributes = { dilations: [down, right * abreast], group: groups / o.merged };
  const maps = to.node("Conv", operands, attributes, BLOCKED);
  const taps = tapsOf(found);
  const made = { filters, channels: perGroup * o.merged, taps, abreast, block: o.block };
  return o.merged === 1
    ? filtersFirst(to, maps, made)
    : ownOfMerged(to, channelsApart(to, maps, made), { ...made, groups, merged: o.merged });
}

/** What the convolution makes: [C / a, M / block, kh, kw a, block] with a channels abreast. */
interface Made {
  readonly filters: number;
  /** Channels of a group, merged ones together. */
  readonly channels: number;
  readonly taps: readonly [number, number];
  readonly abreast: number;
  readonly block: number;
}

/** [C, M / block, kh, kw, block] of it. */
function channelsApart(to: Rewriting, maps: string, o: Made): string {
  const { filters, channels, taps, abreast, block } = o;
  if (abreast === 1) return maps;
  const size = taps[0] * taps[1];
  const stack = to.reshape(maps, [channels / abreast, filters / block, size, abreast, block]);
  const turned = to.node("Transpose", [stack], { perm: [0, 3, 1, 2, 4] });
  return to.reshape(turned, [channels, filters, ...taps]);
}

/**
 * [M, C, kh, kw] of it: runs of blocks first, then matrices, both of which ONNX Runtime transposes
 * several times as fast as the short runs of a kernel.
 */
function filtersFirst(to: Rewriting, maps: string, o: Made): string {
  const { filters, channels, taps, abreast, block } = o;
  const [count, size] = [filters / block, taps[0] * taps[1]];
  const lines = channels / abreast;
  const stack = abreast === 1
    ? to.reshape(maps, [channels, count, size * block])
    : to.reshape(maps, [lines, count, size, abreast, block]);
  const turned = to.node("Transpose", [stack], {
    perm: abreast === 1 ? [1, 0, 2] : [1, 0, 3, 2, 4],
  });
  const matrices = to.reshape(turned, [count, channels * size, block]);
  const rows = to.node("Transpose", [matrices], { perm: [0, 2, 1] });
  return to.reshape(rows, [filters, channels, ...taps]);
}

/** The same of merged groups, where only filters and channels of the same one belong together. */
function ownOfMerged(
  to: Rewriting,
  maps: string,
  o: Made & { readonly groups: number; readonly merged: number },
): string {
  const { filters, groups, channels, taps, merged } = o;
  const all = to.node("ReorderOutput", [maps], { channels: filters }, BLOCKED);
  const [wide, each, perGroup] = [groups / merged, filters / groups, channels / merged];
  const rows = Array.from({ length: perGroup * groups }, (_, i) => {
    const [channel, group] = [Math.floor(i / groups), i % groups];
    const [at, within] = [Math.floor(group / merged), group % merged];
    return ((within * perGroup + channel) * wide + at) * merged + within;
  });
  const stack = to.reshape(all, [channels * groups, each * taps[0] * taps[1]]);
  const own = to.node("Gather", [stack, to.ints(rows)], { axis: 0 });
  const turned = to.reshape(own, [perGroup, filters, ...taps]);
  return to.node("Transpose", [turned], { perm: FILTERS_FIRST });
}

/** Undefined where too much of the blocks would be empty. */
function blocksOf(
  { filters, groups }: SampleChannels,
  block: number,
  samples: number,
): Blocks | undefined {
  const each = filters / groups;
  let merged = 1;
  while (each * merged % block !== 0) merged++;
  const count = Math.ceil(samples / block);
  if (groups % merged !== 0 || samples < count * block / 2) return undefined;
  return { block, samples, count, merged };
}

/** Slices of a sample that a Reshape from [N, slices, size] makes samples; 1 without such. */
function slicesOf(to: Rewriting, value: string): number {
  const chain = chainOf(to, value, ["Reshape", "Reshape"]);
  const [apart, flat] = chain?.nodes.map(({ inputs }) => to.integers(inputs[1]!)) ?? [];
  if (apart?.length !== 3 || flat === undefined) return 1;
  const size = flat.slice(1).reduce((product, n) => product * n, 1);
  return flat[0] === -1 && size === apart[2] ? apart[1]! : 1;
}

/** A convolution over the samples that falls into blocks, for the usual number of samples. */
interface Usual {
  readonly found: SampleChannels;
  readonly blocks: Blocks;
}

function usualOf(
  to: Rewriting,
  node: Node,
  block: number,
  usual: number | undefined,
): Usual | undefined {
  if (usual === undefined || to.opset < 13 || node.op !== "Conv") return undefined;
  const found = sampleChannelsOf(to, node);
  if (found === undefined) return undefined;
  const blocks = blocksOf(found, block, usual * slicesOf(to, found.image.source));
  return blocks === undefined ? undefined : { found, blocks };
}

/** True for a convolution that `writeSampleChannels` is going to write with what follows it. */
export function isSampleChannels(
  to: Rewriting,
  node: Node,
  block: number,
  usual: number | undefined,
): boolean {
  return usualOf(to, node, block, usual) !== undefined;
}

/**
 * Writes the weight gradient of a convolution, which comes as a convolution over the samples (see
 * `conv_correlated.ts` of autodiff) and a Transpose that brings the filters to the front, for the
 * usual number of samples: only for a known number do they fall into blocks.
 *
 * @returns false where this node is no such Transpose; nothing is written then
 */
export function writeSampleChannels(
  to: Rewriting,
  node: Node,
  block: number,
  usual: number | undefined,
): boolean {
  const chain = chainOf(to, node.inputs[0]!, ["Conv"]);
  if (chain === undefined || perAxis(node, "perm", 4, 0).join() !== FILTERS_FIRST.join()) {
    return false;
  }
  const known = usualOf(to, chain.nodes[0]!, block, usual);
  if (known === undefined) return false;
  const { found, blocks } = known;
  const { attributes } = found.node;
  // The other convolutions of dy read this too.
  to.reordered(found.filter.source);
  writeByBatch(
    to,
    { value: found.image.source, samples: blocks.samples, result: node.outputs[0]! },
    () => blocked(to, found, blocks),
    () => {
      const operands = [copied(to, found.image), copied(to, found.filter)];
      return to.node("Transpose", [to.node("Conv", operands, attributes)], { perm: FILTERS_FIRST });
    },
  );
  return true;
}
