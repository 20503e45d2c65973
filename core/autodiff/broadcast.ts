import { type DType, type Extent, sameExtent } from "../onnx/mod.ts";
import type { Operations } from "./operations.ts";

/** The shape to which two shapes broadcast (the rule of NumPy: right-aligned, 1 stretches). */
export function broadcastDims(a: readonly Extent[], b: readonly Extent[]): Extent[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - (rank - a.length)] ?? 1;
    const right = b[i - (rank - b.length)] ?? 1;
    return left === 1 ? right : left;
  });
}

/** The axes of `from` along which a value of shape `to` was stretched to reach it. */
export function stretchedAxes(from: readonly Extent[], to: readonly Extent[]): number[] {
  const lead = from.length - to.length;
  return from.flatMap((extent, i) => {
    const own = i < lead ? undefined : to[i - lead]!;
    return own === undefined || !sameExtent(own, extent) ? [i] : [];
  });
}

/**
 * The adjoint of broadcasting: sums `gradient`, of shape `from`, over the axes along which a value
 * of shape `to` was stretched, and gives the result the shape `to`.
 */
export function reduceTo(
  emit: Operations,
  gradient: string,
  o: { readonly from: readonly Extent[]; readonly to: readonly Extent[]; readonly dtype: DType },
): string {
  const { from, to, dtype } = o;
  const lead = from.length - to.length;
  const axes = stretchedAxes(from, to);
  const summed = axes.filter((axis) => from[axis] !== 1);
  if (axes.length === 0) return gradient;
  if (axes.every((axis) => axis < lead)) return emit.sumOverLeading(gradient, from, lead, dtype);
  if (lead === 0) return emit.reduceSum(gradient, axes, true);
  return emit.reshape(emit.reduceSum(gradient, summed, false), to);
}
