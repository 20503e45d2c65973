import type { Extent } from "../../onnx/mod.ts";
import { intOf, tensor } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";

/**
 * Up to so many rows a table's gradient is a product with one-hot vectors, beyond it a scatter: the
 * product's work grows with the number of rows, the scatter's does not but runs on one thread.
 */
const ONE_HOT_ROWS_MAX = 512;

/** First opset whose ScatterElements can add. */
const SCATTER_ADD_OPSET = 16;

/** One fixed element along the axis was taken: dy goes back to its place, with zeros around. */
function padded(call: Call, axis: number, index: number, size: number): string {
  const { emit, dy } = call;
  const dims = call.dims(call.input(0)).map((extent, i) => i === axis ? 1 : extent);
  const [begins, ends] = [dims.map(() => 0), dims.map(() => 0)];
  begins[axis] = index;
  ends[axis] = size - 1 - index;
  return emit.pad(emit.reshape(dy, dims, undefined), begins, ends);
}

/** Rows of a matrix were taken: dx = onehot(indices)ᵀ dy. */
function oneHot(call: Call, rows: number, columns: readonly Extent[]): string {
  const { emit, dy, type } = call;
  const width = columns.reduce<number>((product, extent) => product * Number(extent), 1);
  const indices = emit.reshape(call.input(1), [-1]);
  const depth = emit.constant(tensor("int64", [], [rows]));
  const values = emit.constant(tensor(type, [2], [0, 1]));
  const selected = emit.node("OneHot", [indices, depth, values], { axis: -1 });
  const o = { dtype: type, rankA: 2, rankB: 2, transA: true };
  const table = emit.matMul(selected, emit.reshape(dy, [-1, width]), o);
  return columns.length === 1 ? table : emit.reshape(table, [rows, ...columns]);
}

/** Adds dy into zeros at the places that the indices name. */
function scattered(call: Call, axis: number): string {
  const { emit, dy, opset } = call;
  if (opset < SCATTER_ADD_OPSET) call.refuse(`takes opset ${SCATTER_ADD_OPSET} or later`);
  const x = call.input(0);
  const [dims, indexDims] = [call.dims(x), call.dims(call.input(1))];
  const count = indexDims.reduce<Extent>(product, 1);
  const flat = dims.map((extent, i) => i === axis ? count : extent);
  const column = dims.map((_, i) => i === axis ? count : 1);
  const updates = emit.reshape(dy, flat, undefined);
  const shape = emit.shape(flat, [{ name: updates, dims: flat }]);
  const indices = emit.expand(emit.reshape(call.input(1), column), shape);
  const add = { axis, reduction: "add" };
  return emit.node("ScatterElements", [call.zerosLike(x), indices, updates], add);
}

function product(a: Extent, b: Extent): Extent {
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (typeof a === "number") return { perSample: a * (b as { perSample: number }).perSample };
  return typeof b === "number" ? { perSample: a.perSample * b } : a;
}

function gatherGradient(call: Call): Gradient {
  const dims = call.dims(call.input(0));
  const axis = axisOf(intOf(call.node, "axis", 0), dims.length);
  const size = dims[axis]!;
  const fixed = call.constant(1);
  return () => {
    if (fixed?.length === 1 && typeof size === "number") {
      return padded(call, axis, axisOf(fixed[0]!, size), size);
    }
    const columns = dims.slice(1);
    const small = typeof size === "number" && size <= ONE_HOT_ROWS_MAX;
    const matrix = axis === 0 && columns.every((extent) => typeof extent === "number");
    if (matrix && small || (matrix && typeof size === "number" && call.opset < SCATTER_ADD_OPSET)) {
      return oneHot(call, size as number, columns);
    }
    return scattered(call, axis);
  };
}

/** y = x taken at `indices` along an axis: dx adds up dy for every time an element was taken. */
export const gather: RuleEntry = [rule((call) => [gatherGradient(call), undefined])];

/** y = x taken at an index of its own for each element along an axis. */
export const gatherElements: RuleEntry = [
  rule((call) => [() => {
    const { emit, dy, opset } = call;
    if (opset < SCATTER_ADD_OPSET) call.refuse(`takes opset ${SCATTER_ADD_OPSET} or later`);
    const x = call.input(0);
    const axis = axisOf(intOf(call.node, "axis", 0), call.dims(x).length);
    const add = { axis, reduction: "add" };
    return emit.node("ScatterElements", [call.zerosLike(x), call.input(1), dy], add);
  }, undefined], { since: 11 }),
];
