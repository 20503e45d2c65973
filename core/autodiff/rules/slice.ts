import type { Extent } from "../../onnx/mod.ts";
import { intsOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/** Farther than any dimension reaches, in a 64-bit integer that a double holds exactly. */
const BEYOND = 2 ** 53 - 1;

/** What a slice takes along one axis: `count` elements from `start` in steps of `step`. */
interface Range {
  readonly axis: number;
  /** Elements of x before the first and after the last that is taken (in ascending order). */
  readonly before: number;
  readonly after: number;
  /** Distance of two neighbours; always positive. */
  readonly stride: number;
  readonly reversed: boolean;
  readonly count: Extent;
}

interface Arguments {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly axes: readonly number[];
  readonly steps: readonly number[];
}

function argumentsOf(call: Call): Arguments {
  const starts = intsOf(call.node, "starts") ?? call.constantOrRefuse(1, "starts");
  const ends = intsOf(call.node, "ends") ?? call.constantOrRefuse(2, "ends");
  const rank = call.dims(call.input(0)).length;
  const axes = intsOf(call.node, "axes") ??
    (call.has(3) ? call.constantOrRefuse(3, "axes") : starts.map((_, i) => i));
  const steps = call.has(4) ? call.constantOrRefuse(4, "steps") : starts.map(() => 1);
  return { starts, ends, axes: axes.map((axis) => axisOf(axis, rank)), steps };
}

/** Along a fixed dimension of `size` elements, the bounds are clamped as the specification says. */
function fixedRange(axis: number, size: number, start: number, end: number, step: number): Range {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (bound: number) => Math.min(Math.max(bound < 0 ? bound + size : bound, low), high);
  const first = step > 0 ? clamp(start) : Math.max(clamp(start), 0);
  const stop = end < -size ? low : clamp(end);
  const count = Math.max(0, Math.ceil((stop - first) / step));
  const last = first + (count - 1) * step;
  const [lower, upper] = step > 0 ? [first, last] : [last, first];
  return {
    axis,
    before: count === 0 ? size : lower,
    after: count === 0 ? 0 : size - 1 - upper,
    stride: Math.abs(step),
    reversed: step < 0,
    count,
  };
}

/** The batch has no fixed size: it can be taken as a whole, in either order. */
function batchRange(call: Call, axis: number, start: number, end: number, step: number): Range {
  const forward = step === 1 && start === 0 && end >= 2 ** 31 - 1;
  const backward = step === -1 && start === -1 && end <= -(2 ** 31 - 1);
  if (!forward && !backward) {
    call.refuse(`it takes [${start}:${end}:${step}] of the batch, whose size is not fixed`);
  }
  const count = call.dims(call.output())[axis]!;
  return { axis, before: 0, after: 0, stride: 1, reversed: backward, count };
}

function rangesOf(call: Call): Range[] {
  const { starts, ends, axes, steps } = argumentsOf(call);
  const dims = call.dims(call.input(0));
  return axes.map((axis, i) => {
    const size = dims[axis]!;
    return typeof size === "number"
      ? fixedRange(axis, size, starts[i]!, ends[i]!, steps[i]!)
      : batchRange(call, axis, starts[i]!, ends[i]!, steps[i]!);
  });
}

/**
 * dy with `stride` − 1 zeros after every element along the axes that were taken in larger steps.
 */
function spaced(call: Call, gradient: string, ranges: readonly Range[]): string {
  const { emit } = call;
  const wide = ranges.filter(({ stride, count }) => stride > 1 && count !== 1);
  if (wide.length === 0) return gradient;
  const strideAt = (axis: number) => wide.find((range) => range.axis === axis)?.stride ?? 1;
  const dims = call.dims(call.output());
  const apart = dims.flatMap((extent, axis) => strideAt(axis) > 1 ? [extent, 1] : [extent]);
  const room = dims.flatMap((_, axis) => strideAt(axis) > 1 ? [0, strideAt(axis) - 1] : [0]);
  const padded = emit.pad(emit.reshape(gradient, apart), room.map(() => 0), room);
  const joined = dims.map((extent, axis) =>
    typeof extent === "number" ? extent * strideAt(axis) : extent
  );
  return emit.reshape(padded, joined);
}

/**
 * y = x[start:end:step] along some axes: dx is dy put back in its place, zeros elsewhere. Reversed
 * axes are turned round, steps are opened with zeros, and what lies outside is padded.
 */
export const slice: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit } = call;
    const ranges = rangesOf(call);
    const reversed = ranges.filter((range) => range.reversed).map(({ axis }) => axis);
    const ordered = reversed.length === 0 ? dy : emit.slice(
      dy,
      reversed.map(() => -1),
      reversed.map(() => -BEYOND),
      reversed,
      reversed.map(() => -1),
    );
    const rank = call.dims(call.input(0)).length;
    const [begins, ends] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)];
    for (const { axis, before, after, stride, count } of ranges) {
      begins[axis] = before;
      ends[axis] = stride > 1 && count !== 1 ? after - (stride - 1) : after;
    }
    return emit.pad(spaced(call, ordered, ranges), begins, ends);
  }]),
];
