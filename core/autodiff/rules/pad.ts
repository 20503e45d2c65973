import { intsOf, stringOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import type { Shaped } from "../operations.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { alongAxis, matrixConstant, matrixOf } from "./axis_matrix.ts";

/** Elements added before and after each axis: an attribute before opset 11, then an input. */
function padsOf(call: Call): { begins: number[]; ends: number[] } {
  const rank = call.dims(call.input(0)).length;
  const pads = intsOf(call.node, "pads") ?? call.constantOrRefuse(1, "pads");
  const given = call.has(3) ? call.constantOrRefuse(3, "axes") : undefined;
  const axes = given?.map((axis) => axisOf(axis, rank)) ?? pads.slice(0, rank).map((_, i) => i);
  const [begins, ends] = [new Array<number>(rank).fill(0), new Array<number>(rank).fill(0)];
  axes.forEach((axis, i) => {
    begins[axis] = pads[i]!;
    ends[axis] = pads[axes.length + i]!;
  });
  return { begins, ends };
}

/** The element of an axis of `size` that stands at `place`, which may lie outside of it. */
const SOURCES: Readonly<Record<string, (place: number, size: number) => number>> = {
  edge: (place, size) => Math.min(Math.max(place, 0), size - 1),
  reflect: (place, size) => {
    const period = Math.max(1, 2 * (size - 1));
    const within = ((place % period) + period) % period;
    return within < size ? within : period - within;
  },
  wrap: (place, size) => ((place % size) + size) % size,
};

/** dx where the border repeats elements: each gets dy from every place at which it stands. */
function foldedBack(call: Call, mode: string): string {
  const source = SOURCES[mode] ?? call.refuse(`mode "${mode}" is not known`);
  const { begins, ends } = padsOf(call);
  const dims = call.dims(call.input(0));
  let value: Shaped = { name: call.dy, dims: call.dims(call.output()) };
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const [before, after] = [begins[axis]!, ends[axis]!];
    if (before === 0 && after === 0) continue;
    const size = dims[axis]!;
    if (typeof size !== "number") return call.refuse("it pads the batch, whose size is not fixed");
    const matrix = matrixOf(size, before + size + after, (rows) => {
      for (let o = 0; o < before + size + after; o++) rows[source(o - before, size)]![o] = 1;
    });
    value = alongAxis(call, value, axis, { name: matrixConstant(call, matrix), rows: size });
  }
  return value.name;
}

/**
 * y = x with a border: dx is dy without the border. A constant that was put there gets the rest;
 * elements of x that were repeated there (edge, reflect, wrap) get their shares.
 */
export const pad: RuleEntry = [
  rule((call) => {
    const { dy, emit } = call;
    const mode = stringOf(call.node, "mode", "constant");
    if (mode !== "constant") return [() => foldedBack(call, mode)];
    const inner = () => {
      const { begins, ends } = padsOf(call);
      return emit.pad(dy, begins.map((n) => -n), ends.map((n) => -n));
    };
    const total = (value: string, of: string) =>
      emit.reduceSum(value, call.dims(of).map((_, axis) => axis), false);
    return [inner, undefined, () => {
      const border = emit.sub(total(dy, call.output()), total(inner(), call.input(0)));
      return emit.reshape(border, call.dims(call.input(2)));
    }];
  }, { since: 2 }),
];
