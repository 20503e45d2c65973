import type { Rewriting, Size } from "./rewriting.ts";

/** How the channels of a convolution meet. */
export type Kind = "depthwise" | "shallow" | "dense";

/**
 * Which of MLAS's blocked kernels computes a convolution of a weight [O, I, kh, kw], where there is
 * one: `depthwise` takes one channel a group, `shallow` an input of fewer channels than a block in
 * the ordinary layout, `dense` whole blocks on both sides.
 */
export function kindOf(
  [filters, perGroup]: readonly Size[],
  groups: number,
  block: number,
): Kind | undefined {
  if (filters === undefined || perGroup === undefined || filters % block !== 0) return undefined;
  if (groups > 1 && perGroup === 1) return filters === groups ? "depthwise" : undefined;
  if (perGroup % block === 0 && filters / groups % block === 0) return "dense";
  return groups === 1 && perGroup < block ? "shallow" : undefined;
}

/** A weight [O, I, kh, kw] with the filters, and where dense also the channels, in blocks. */
export function blockedFilter(
  to: Rewriting,
  weight: string,
  sizes: readonly Size[],
  kind: Kind,
  block: number,
): string {
  const dims = sizes.map((size) => size ?? -1);
  const [filters, channels, height, width] = dims as [number, number, number, number];
  if (kind === "depthwise") {
    return to.reshape(to.reordered(to.reshape(weight, [1, filters, height, width])), dims);
  }
  const taps = height * width;
  const rows = to.reordered(to.reshape(weight, [1, filters, channels, taps]));
  if (kind === "shallow" || taps === 1) return to.reshape(rows, dims);
  const stack = [filters / block, channels / block, block, taps, block];
  const turned = to.node("Transpose", [to.reshape(rows, stack)], { perm: [0, 1, 3, 2, 4] });
  return to.reshape(turned, dims);
}

/**
 * Filters of the adjoint: from the weight [M, C/g, kh, kw] of a convolution of g groups those of
 * [C, M/g], each with the kernel elements `taps` (row-major indices) in their order, as kernels of
 * the size `kernel`.
 */
export function adjointFilter(
  to: Rewriting,
  weight: string,
  o: {
    readonly dims: readonly number[];
    readonly kind: Kind;
    readonly groups: number;
    readonly block: number;
    readonly taps: readonly number[];
    readonly kernel: readonly number[];
  },
): string {
  const { kind, groups, block, taps, kernel } = o;
  const [filters, channels, height, width] = o.dims as [number, number, number, number];
  const count = height * width;
  const picked = (stack: string, axis: number) =>
    taps.length === count && taps.every((tap, i) => tap === i)
      ? stack
      : to.node("Gather", [stack, to.ints(taps)], { axis });
  if (kind === "depthwise") {
    const rows = to.reordered(to.reshape(weight, [1, filters, count, 1]));
    const stack = to.reshape(rows, [1, filters / block, count, block]);
    return to.reshape(picked(stack, 2), [filters, 1, ...kernel]);
  }
  const rows = to.reordered(to.reshape(weight, [filters, channels, count, 1]));
  const each = filters / groups;
  const stack = [groups, each / block, block, channels / block, count, block];
  const turned = to.node("Transpose", [to.reshape(rows, stack)], { perm: [0, 3, 1, 4, 2, 5] });
  return to.reshape(picked(turned, 3), [groups * channels, each, ...kernel]);
}

/** A weight [M, C/g, kh, kw] and its groups. */
export interface GroupedWeight {
  readonly weight: string;
  readonly sizes: readonly Size[];
  readonly groups: number;
}

/**
 * Two narrow groups as one, with zeros where a filter of one meets the channels of the other: where
 * that makes whole blocks, the kernels are more than twice as fast.
 */
export function wholeGroups(to: Rewriting, given: GroupedWeight, block: number): GroupedWeight {
  const { weight, sizes, groups } = given;
  const [filters, perGroup, ...kernel] = sizes as number[];
  const half = block / 2;
  const pairs = groups > 1 && groups % 2 === 0 && perGroup === half && filters! % block === 0 &&
    filters! / groups % half === 0 && sizes.every((size) => size !== undefined);
  if (!pairs) return given;
  const each = filters! / groups;
  const mask = to.floats([1, 2, 1, 2, 1, 1], [1, 0, 0, 1]);
  const split = to.reshape(weight, [groups / 2, 2, each, 1, half, kernel[0]! * kernel[1]!]);
  const dims = [filters!, block, ...kernel];
  return {
    weight: to.reshape(to.node("Mul", [split, mask]), dims),
    sizes: dims,
    groups: groups / 2,
  };
}
