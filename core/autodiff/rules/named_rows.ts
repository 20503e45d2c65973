import { type Extent, sameDims, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { productOf } from "../extent.ts";
import { alongAxis } from "./axis_matrix.ts";
import { hotVectors } from "./gather.ts";
import { type Put, SCATTER_ADD_OPSET, scatterElements } from "./scatter_elements.ts";

/** What tuples of indices (GatherND, ScatterND) name in x, seen as a matrix. */
interface NamedRows {
  /** Number of each row that is named: int64, one dimension. */
  readonly numbers: string;
  /** How many are named. */
  readonly count: Extent;
  /** Rows and columns of x. */
  readonly rows: Extent;
  readonly columns: Extent;
}

function countOf(call: Call, dims: readonly Extent[]): Extent {
  return productOf(dims) ?? call.refuse("several dimensions of its inputs follow the batch");
}

/** How many rows lie between neighbours along each of some dimensions. */
function stridesOf(dims: readonly number[]): number[] {
  return dims.map((_, i) => dims.slice(i + 1).reduce((product, size) => product * size, 1));
}

/** 0, `step`, 2 `step` … for each sample, as a column. */
function firstRows(call: Call, samples: Extent, step: number): string {
  const { emit } = call;
  if (typeof samples === "number") {
    const values = Array.from({ length: samples }, (_, i) => i * step);
    return emit.constant(tensor("int64", [samples, 1], values));
  }
  const end = emit.extent(samples.perSample * step, call.references(call.input(0)));
  const bounds = [emit.scalar("int64", 0), emit.reshape(end, []), emit.scalar("int64", step)];
  return emit.unsqueeze(emit.node("Range", bounds), [1]);
}

/**
 * Turns tuples of indices into x, after `batchDims` dimensions that x and the indices share, into
 * numbers of rows. Indices below 0 count from the end.
 */
export function namedRows(call: Call, batchDims: number): NamedRows {
  const { emit } = call;
  const [dims, indexDims] = [call.dims(call.input(0)), call.dims(call.input(1))];
  const length = indexDims.at(-1)!;
  if (typeof length !== "number") return call.refuse("the length of its index tuples varies");
  const named = dims.slice(batchDims, batchDims + length);
  const [first, ...inner] = named;
  if (!inner.every((extent) => typeof extent === "number")) {
    return call.refuse("its indices count through a dimension that follows the batch");
  }
  const sizes = emit.shape(named, call.references(call.input(0)));
  const ordinary = emit.node("Mod", [call.input(1), sizes]);
  const weighted = length === 1 ? ordinary : emit.reduceSum(
    emit.mul(ordinary, emit.ints(stridesOf([1, ...inner]))),
    [indexDims.length - 1],
    false,
  );
  const samples = countOf(call, dims.slice(0, batchDims));
  const tuples = countOf(call, indexDims.slice(batchDims, -1));
  let numbers = weighted;
  if (batchDims > 0) {
    if (typeof first !== "number") return call.refuse("its indices count through the batch");
    const step = first * stridesOf([1, ...inner])[0]!;
    numbers = emit.add(emit.reshape(weighted, [samples, tuples]), firstRows(call, samples, step));
  }
  return {
    numbers: emit.reshape(numbers, [-1]),
    count: countOf(call, indexDims.slice(0, -1)),
    rows: countOf(call, dims.slice(0, batchDims + length)),
    columns: countOf(call, dims.slice(batchDims + length)),
  };
}

/**
 * `onto` (zeros if absent), in the shape of x, with one row of `updates` after another put at the
 * row that it names.
 */
export function putRows(
  call: Call,
  { numbers, count, rows, columns }: NamedRows,
  o: { readonly onto?: string; readonly updates: string; readonly put: Put },
): string {
  const { emit, type } = call;
  const x = call.input(0);
  const product = o.put === "add" && o.onto === undefined && emit.opset < SCATTER_ADD_OPSET;
  if (product) {
    const updates = { name: emit.reshape(o.updates, [count, columns]), dims: [count, columns] };
    const name = hotVectors(call, numbers, rows, -1);
    return call.reshapeLike(alongAxis(call, updates, 0, { name, rows, transposed: true }).name, x);
  }
  const flat = columns === 1;
  const dims = flat ? [rows] : [rows, columns];
  const onto = o.onto === undefined
    ? emit.expand(emit.scalar(type, 0), emit.shape(dims, call.references(x)))
    : emit.reshape(o.onto, dims);
  const updates = emit.reshape(o.updates, flat ? [count] : [count, columns]);
  const places = flat
    ? numbers
    : emit.expand(emit.unsqueeze(numbers, [1]), emit.node("Shape", [updates]));
  const put = scatterElements(call, onto, places, updates, { axis: 0, put: o.put });
  return sameDims(dims, call.dims(x)) ? put : emit.reshape(put, call.dims(x), x);
}
