import { type DType, elementCount, intOf, intsOf, tensor } from "../../onnx/mod.ts";
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

/** Constants of ones up to this size serve to spread a value. */
const SPREAD_ELEMENTS_MAX = 2 ** 16;

/**
 * `factor` dy spread over the shape of x. Along the last axes a product with a constant is faster
 * than Expand, which copies element by element there.
 */
function spread(call: Call, gradient: string, factor: number): string {
  const { emit, type } = call;
  const x = call.input(0);
  const dims = call.dims(x);
  const axes = axesOf(call);
  const kept = withReducedAxes(call, gradient);
  if (axes.every((axis) => dims[axis] === 1)) return emit.scale(kept, type, factor);
  const stretch = dims.map((extent, axis) => axes.includes(axis) ? extent : 1);
  if (!stretch.every((extent) => typeof extent === "number")) {
    return emit.expand(emit.scale(kept, type, factor), call.shapeOf(x));
  }
  const size = elementCount(stretch);
  if (axes.includes(dims.length - 1) && size <= SPREAD_ELEMENTS_MAX) {
    const filled = tensor(type, stretch, new Array<number>(size).fill(factor));
    return emit.mul(kept, emit.constant(filled));
  }
  return emit.expand(emit.scale(kept, type, factor), emit.ints(stretch));
}

/** y = Σx: dx = dy at every element that was summed. */
export const reduceSum: RuleEntry = [
  rule((call) => [() => spread(call, call.dy, 1)]),
];

/** y = Σx / n: dx = dy / n. */
export const reduceMean: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const x = call.input(0);
    const dims = call.dims(x);
    const reduced = axesOf(call).map((axis) => dims[axis]!);
    const fixed = reduced.filter((extent) => typeof extent === "number");
    const counts = reduced.flatMap((extent) =>
      typeof extent === "number"
        ? []
        : [emit.cast(emit.extent(extent.perSample, call.references(x)), type)]
    );
    const divided = counts.reduce((gradient, count) => over(call, gradient, count), dy);
    return spread(call, divided, 1 / elementCount(fixed));
  }]),
];

/** dy / count; a divisor of rank 1 would give a scalar a dimension. */
function over(call: Call, gradient: string, count: string): string {
  const { emit } = call;
  const scalar = call.dims(call.output()).length === 0 ? emit.reshape(count, []) : count;
  return emit.div(gradient, scalar);
}

/** y = Σx²: dx = 2x dy. */
export const reduceSumSquare: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    return emit.mul(emit.scale(call.input(0), type, 2), withReducedAxes(call, dy));
  }]),
];

/** y = Σ|x|: dx = dy sign x. */
export const reduceL1: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit } = call;
    return emit.mul(emit.node("Sign", [call.input(0)]), withReducedAxes(call, dy));
  }], { since: 9 }),
];

/** A number whose square is 0 in the element type: no norm but 0 is below it. */
function belowNorms(type: DType): number {
  return type === "float64" ? 1e-170 : type === "float16" ? 1e-5 : 1e-30;
}

/** y = √Σx²: dx = x dy / y, and 0 where y = 0. */
export const reduceL2: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const norm = emit.node("Max", [call.output(), emit.scalar(type, belowNorms(type))]);
    return emit.mul(call.input(0), withReducedAxes(call, emit.div(dy, norm)));
  }]),
];

/** y = ln Σx: dx = dy / Σx = dy / eʸ at every element that was summed. */
export const reduceLogSum: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit } = call;
    return spread(call, emit.div(dy, emit.node("Exp", [call.output()])), 1);
  }]),
];

/**
 * y = Πx: dx is dy times the product of the other elements. With n = x, but 1 where x = 0, that is
 * Πn / n where no other element is 0, and else 0.
 */
export const reduceProd: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit, type } = call;
    const x = call.input(0);
    const axes = axesOf(call);
    const isZero = emit.indicator(emit.equal(x, emit.scalar(type, 0)), type);
    const filled = emit.add(x, isZero);
    const zeros = emit.reduceSum(isZero, axes, true);
    const onlyOwn = emit.indicator(emit.equal(zeros, isZero), type);
    const product = emit.reduce("ReduceProd", filled, axes, true);
    const others = emit.div(emit.mul(withReducedAxes(call, dy), product), filled);
    return emit.mul(others, onlyOwn);
  }]),
];

/** y = ln Σeˣ: dx = dy e^(x − y). */
export const reduceLogSumExp: RuleEntry = [
  rule((call) => [() => {
    const { dy, emit } = call;
    const share = emit.node("Exp", [emit.sub(call.input(0), withReducedAxes(call, call.output()))]);
    return emit.mul(share, withReducedAxes(call, dy));
  }]),
];

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
