import { type Extent, intOf, sameExtent, tensor } from "../../onnx/mod.ts";
import { axisOf, type Call } from "../call.ts";
import { productOf } from "../extent.ts";
import { type Gradient, rule, type RuleEntry } from "../rule.ts";
import { alongAxis } from "./axis_matrix.ts";
import { summedRows } from "./embedding.ts";
import { SCATTER_ADD_OPSET, scatterElements } from "./scatter_elements.ts";

/**
 * Up to so many elements along the axis the gradient is a product with one-hot vectors, beyond it a
 * scatter: the product's work grows with that number, the scatter's does not but has one thread.
 */
const ONE_HOT_SIZE_MAX = 512;

/** The same where whole rows are taken, which may be sorted instead. */
const ONE_HOT_ROWS_MAX = 64;

/**
 * Fixed neighbours along the axis were taken, `count` from `index` on: dy goes back to its place,
 * with zeros around.
 */
function padded(call: Call, axis: number, index: number, count: number, size: number): string {
  const { emit, dy } = call;
  const dims = call.dims(call.input(0)).map((extent, i) => i === axis ? count : extent);
  const [begins, ends] = [dims.map(() => 0), dims.map(() => 0)];
  begins[axis] = index;
  ends[axis] = size - count - index;
  return emit.pad(emit.reshape(dy, dims, undefined), begins, ends);
}

/** 1 along a new dimension of `size` elements at each index, 0 elsewhere. */
export function hotVectors(call: Call, indices: string, size: Extent, axis: number): string {
  const { emit, type } = call;
  const depth = typeof size === "number"
    ? emit.scalar("int64", size)
    : emit.reshape(emit.extent(size.perSample, call.references(call.input(0))), []);
  // There is no kernel for doubles.
  const values = emit.constant(tensor("float32", [2], [0, 1]));
  const vectors = emit.node("OneHot", [indices, depth, values], { axis });
  return type === "float32" ? vectors : emit.cast(vectors, type);
}

/** dy with the dimensions of the indices as one, in the place of `axis`. */
function merged(call: Call, axis: number): { name: string; dims: readonly Extent[] } {
  const indexDims = call.dims(call.input(1));
  const count = productOf(indexDims) ??
    call.refuse("two dimensions of its indices follow the batch");
  const dims = call.dims(call.input(0)).map((extent, i) => i === axis ? count : extent);
  if (indexDims.length === 1) return { name: call.dy, dims };
  return { name: call.emit.reshape(call.dy, dims, undefined), dims };
}

/** Elements along an axis were taken: dx = onehot(indices)ᵀ dy along it. */
function oneHot(call: Call, axis: number, size: Extent): string {
  const given = call.emit.reshape(call.input(1), [-1]);
  const indices = call.dtype(call.input(1)) === "int64" ? given : call.emit.cast(given, "int64");
  const name = hotVectors(call, indices, size, -1);
  return alongAxis(call, merged(call, axis), axis, { name, rows: size, transposed: true }).name;
}

/** Adds dy into zeros at the places that the indices name. */
function scattered(call: Call, axis: number): string {
  const { emit } = call;
  const x = call.input(0);
  const { name: updates, dims } = merged(call, axis);
  const column = dims.map((extent, i) => i === axis ? extent : 1);
  const shape = emit.shape(dims, [{ name: updates, dims }]);
  const indices = emit.expand(emit.reshape(call.input(1), column), shape);
  return scatterElements(call, call.zerosLike(x), indices, updates, { axis, put: "add" });
}

/** dx where whole rows of a fixed width were taken; undefined where their width varies. */
function sortedRows(call: Call, rows: number): string | undefined {
  const dims = call.dims(call.input(0));
  const width = productOf(dims.slice(1));
  const count = productOf(call.dims(call.input(1)));
  if (typeof width !== "number" || count === undefined) return undefined;
  const sums = summedRows(call, { count, rows, width });
  return dims.length === 2 ? sums : call.emit.reshape(sums, dims);
}

function gatherGradient(call: Call): Gradient {
  const dims = call.dims(call.input(0));
  const axis = axisOf(intOf(call.node, "axis", 0), dims.length);
  const size = dims[axis]!;
  const fixed = call.constant(1);
  return () => {
    if (typeof size !== "number") {
      return call.opset < SCATTER_ADD_OPSET ? oneHot(call, axis, size) : scattered(call, axis);
    }
    const first = fixed?.[0] === undefined ? undefined : axisOf(fixed[0], size);
    if (first !== undefined && fixed!.every((index, i) => axisOf(index, size) === first + i)) {
      return padded(call, axis, first, fixed!.length, size);
    }
    const sorted = axis === 0 && size > ONE_HOT_ROWS_MAX && call.opset >= SCATTER_ADD_OPSET;
    if (sorted) {
      const rows = sortedRows(call, size);
      if (rows !== undefined) return rows;
    }
    const product = size <= ONE_HOT_SIZE_MAX || call.opset < SCATTER_ADD_OPSET;
    return product ? oneHot(call, axis, size) : scattered(call, axis);
  };
}

/** y = x taken at `indices` along an axis: dx adds up dy for every time an element was taken. */
export const gather: RuleEntry = [rule((call) => [gatherGradient(call), undefined])];

/** dx of GatherElements where nothing can scatter: Σ dy times one-hot vectors along the axis. */
function spreadElements(call: Call, axis: number): string {
  const { emit, dy } = call;
  const [dims, indexDims] = [call.dims(call.input(0)), call.dims(call.input(1))];
  const size = dims[axis]!;
  const vectors = hotVectors(call, call.input(1), size, axis);
  const spread = emit.mul(vectors, emit.unsqueeze(dy, [axis]));
  const sum = emit.reduceSum(spread, [axis + 1], false);
  // The indices may leave out the end of other axes.
  const missing = dims.map((extent, i) => {
    if (i === axis || sameExtent(extent, indexDims[i]!)) return 0;
    return Number(extent) - Number(indexDims[i]);
  });
  return emit.pad(sum, dims.map(() => 0), missing);
}

/** y = x taken at an index of its own for each element along an axis. */
export const gatherElements: RuleEntry = [
  rule((call) => [() => {
    const { dy, opset } = call;
    const x = call.input(0);
    const axis = axisOf(intOf(call.node, "axis", 0), call.dims(x).length);
    if (opset < SCATTER_ADD_OPSET) return spreadElements(call, axis);
    return scatterElements(call, call.zerosLike(x), call.input(1), dy, { axis, put: "add" });
  }, undefined], { since: 11 }),
];
