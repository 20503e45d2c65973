import { intOf, intsOf } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { rule, type RuleEntry } from "../rule.ts";
import { gatedByPooling } from "./pool_gate.ts";
import { wherePositive } from "./relu.ts";
import { SCATTER_ADD_OPSET, scatterElements } from "./scatter_elements.ts";
import { reach, type Window, windowOf } from "./window.ts";

/** First opset whose Slice can take steps. */
const STRIDED_SLICE_OPSET = 10;

/**
 * Where each maximum was found, counted row by row: output 1, or found again where the graph does
 * not ask for it or counts by columns.
 */
function indicesOf(call: Call): string {
  const { node, emit } = call;
  const asked = node.outputs[1] ?? "";
  if (asked !== "" && intOf(node, "storage_order", 0) === 0) return asked;
  const { storage_order: _, ...attributes } = node.attributes;
  return emit.outputs(2, "MaxPool", [call.input(0)], attributes)[1]!;
}

/** True where no two windows share an element. */
function isDisjoint({ kernel, strides, dilations }: Window): boolean {
  return kernel.every((k, i) => dilations[i] === 1 && strides[i]! >= k);
}

/** dy put at the maxima by MaxUnpool. Its kernel only tells the least size of the result. */
function unpooled(call: Call, gradient: string, indices: string): string {
  const { emit } = call;
  const ones = call.fixedDims(call.output(), 2).map(() => 1);
  const inputs = [gradient, indices, call.shapeOf(call.input(0))];
  return emit.node("MaxUnpool", inputs, { kernel_shape: ones, strides: ones });
}

/** dy added up at the maxima of windows that may share one. The indices count through all of x. */
function scattered(call: Call, gradient: string): string {
  const { emit, type } = call;
  const x = call.input(0);
  const size = emit.reshape(emit.node("ReduceProd", [call.shapeOf(x)], { keepdims: 1 }), [1]);
  const zeros = emit.expand(emit.scalar(type, 0), size);
  const [indices, updates] = [indicesOf(call), gradient].map((value) => emit.reshape(value, [-1]));
  const sum = scatterElements(call, zeros, indices!, updates!, { axis: 0, put: "add" });
  return call.reshapeLike(sum, x);
}

/**
 * The same before ScatterElements could add, at twice the cost: every n-th window along an axis is
 * disjoint from the others if n strides reach over a window, so n sets of them are put apart.
 */
function inDisjointSets(call: Call, gradient: string, window: Window): string {
  const { emit } = call;
  const apart = reach(window).map((covered, i) => Math.ceil(covered / window.strides[i]!));
  const axes = apart.map((_, i) => i + 2);
  const offsets = apart.reduce<number[][]>(
    (outer, n, i) => {
      const some = Math.min(n, window.output[i]!);
      return outer.flatMap((offset) => Array.from({ length: some }, (_, k) => [...offset, k]));
    },
    [[]],
  );
  const every = (value: string, starts: readonly number[]) =>
    emit.slice(value, starts, window.output, axes, apart);
  const indices = indicesOf(call);
  return emit.sum(
    offsets.map((starts) => unpooled(call, every(gradient, starts), every(indices, starts))),
  );
}

function pooledGradient(call: Call, kernel: readonly number[]): string {
  const { dy, type } = call;
  const gated = gatedByPooling(call.input(0), call.around);
  const gradient = gated ? wherePositive(call, call.output()) : dy;
  const window = windowOf(call, kernel);
  // MaxUnpool takes nothing but float32.
  const single = type === "float32";
  if (single && isDisjoint(window)) return unpooled(call, gradient, indicesOf(call));
  if (call.opset >= SCATTER_ADD_OPSET) return scattered(call, gradient);
  if (!single || call.opset < STRIDED_SLICE_OPSET) {
    call.refuse(`overlapping windows of ${type} take opset ${SCATTER_ADD_OPSET} or later`);
  }
  return inDisjointSets(call, gradient, window);
}

/**
 * y = the maximum of each window: dy goes to the element that attained it, the first one on ties.
 */
export const maxPool: RuleEntry = [
  rule((call) => {
    if (call.outputGradients[1] !== undefined) call.refuse("its indices carry no gradient");
    return [() => pooledGradient(call, intsOf(call.node, "kernel_shape")!)];
  }, { since: 8 }),
];

/** y = the maximum over all of each map: max-pooling with one window. */
export const globalMaxPool: RuleEntry = [
  rule((call) => {
    const { emit, dy } = call;
    const x = call.input(0);
    return [() => {
      const kernel = call.fixedDims(x, 2);
      const indices = emit.outputs(2, "MaxPool", [x], { kernel_shape: kernel })[1]!;
      return unpooled(call, dy, indices);
    }];
  }),
];
