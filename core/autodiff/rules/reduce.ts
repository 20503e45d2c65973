import { intOf, intsOf } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";

/**
 * The axes that a reduction sums over: an attribute at first, an input later (ReduceSum from opset
 * 13, the others from 18).
 */
function axesOf(call: Call): number[] {
  const rank = call.dims(call.input(0)).length;
  const given = intsOf(call.node, "axes") ??
    (call.has(1) ? call.constantOrRefuse(1, "axes") : []);
  if (given.length > 0) return given.map((axis) => axisOf(axis, rank));
  if (intOf(call.node, "noop_with_empty_axes", 0) === 1) return [];
  return Array.from({ length: rank }, (_, i) => i);
}

/** `value`, of the shape of y, with the reduced axes back as ones. */
function withReducedAxes(call: Call, value: string): string {
  if (intOf(call.node, "keepdims", 1) === 1) return value;
  return call.emit.unsqueeze(value, axesOf(call).toSorted((a, b) => a - b));
}

/** dy spread over the shape of x. */
function spread(call: Call, gradient: string): string {
  const { emit } = call;
  const x = call.input(0);
  const dims = call.dims(x);
  const axes = axesOf(call);
  const kept = withReducedAxes(call, gradient);
  if (axes.every((axis) => dims[axis] === 1)) return kept;
  const stretch = dims.map((extent, axis) => axes.includes(axis) ? extent : 1);
  if (stretch.every((extent) => typeof extent === "number")) {
    return emit.expand(kept, emit.ints(stretch));
  }
  return emit.expand(kept, call.shapeOf(x));
}

/** y = Σx: dx = dy at every element that was summed. */
export const reduceSum: RuleEntry = [
  rule((call) => [() => spread(call, call.dy)]),
];

/** y = Σx / n: dx = dy / n. */
export const reduceMean: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const dims = call.dims(call.input(0));
    const reduced = axesOf(call).map((axis) => dims[axis]!);
    const fixed = reduced.filter((extent) => typeof extent === "number");
    const scaled = emit.scale(dy, type, 1 / fixed.reduce((product, size) => product * size, 1));
    const counts = reduced.flatMap((extent) =>
      typeof extent === "number"
        ? []
        : [emit.cast(emit.extent(extent.perSample, call.references(call.input(0))), type)]
    );
    return spread(call, counts.reduce((gradient, count) => divided(call, gradient, count), scaled));
  }]),
];

/** A rank-1 divisor of one element would give a scalar a dimension: y's shape must stay. */
function divided(call: Call, gradient: string, count: string): string {
  const { emit } = call;
  const scalar = call.dims(call.output()).length === 0 ? emit.reshape(count, []) : count;
  return emit.div(gradient, scalar);
}

/** y = max or min of x over the axes: dy goes to where it was attained, in equal shares on ties. */
export const reduceExtremum: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const y = withReducedAxes(call, call.output());
    const attained = emit.indicator(emit.equal(call.input(0), y), type);
    const ties = emit.reduceSum(attained, axesOf(call), true);
    return emit.mul(attained, emit.div(withReducedAxes(call, dy), ties));
  }]),
];
