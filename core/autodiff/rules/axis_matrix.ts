import { type Extent, tensor } from "../../onnx/mod.ts";
import type { Call } from "../call.ts";
import { productOf } from "../extent.ts";
import type { Shaped } from "../operations.ts";

/** A matrix by rows. */
export type Matrix = readonly (readonly number[])[];

/** A matrix of `rows` × `columns`, zero but for the elements that `set` writes. */
export function matrixOf(
  rows: number,
  columns: number,
  set: (matrix: number[][]) => void,
): Matrix {
  const matrix = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
  set(matrix);
  return matrix;
}

/** The matrix as a constant of the type of the gradients. */
export function matrixConstant(call: Call, matrix: Matrix): string {
  const dims = [matrix.length, matrix[0]?.length ?? 0];
  return call.emit.constant(tensor(call.type, dims, matrix.flat()), "matrix");
}

/** The number of elements of some dimensions; refuses where several of them follow the batch. */
function countOf(call: Call, dims: readonly Extent[]): Extent {
  return productOf(dims) ??
    call.refuse("several dimensions beside the one it works along follow the batch");
}

/**
 * b[.., i, ..] = Σⱼ m[i, j] a[.., j, ..]: a matrix of `rows` rows applied along one axis. What acts
 * on each axis by itself (resizing, averaging, padding) is such a matrix for each of them, and its
 * adjoint the transposed one. The matrix is m, or with `transposed` mᵀ.
 */
export function alongAxis(
  call: Call,
  a: Shaped,
  axis: number,
  matrix: { readonly name: string; readonly rows: Extent; readonly transposed?: boolean },
): Shaped {
  const { emit, type: dtype } = call;
  const { name: m, rows, transposed = false } = matrix;
  const rank = a.dims.length;
  const dims = a.dims.map((extent, i) => i === axis ? rows : extent);
  if (axis === rank - 1 && rank > 1) {
    const o = { dtype, rankA: rank, rankB: 2, transB: !transposed };
    return { name: emit.matMul(a.name, m, o), dims };
  }
  if (axis >= rank - 2 && rank > 1) {
    const o = { dtype, rankA: 2, rankB: rank, transA: transposed };
    return { name: emit.matMul(m, a.name, o), dims };
  }
  const [before, after] = [countOf(call, a.dims.slice(0, axis)), a.dims.slice(axis + 1)];
  const stack = before === 1 ? [] : [before];
  const flat = emit.reshape(a.name, [...stack, a.dims[axis]!, countOf(call, after)]);
  const o = { dtype, rankA: 2, rankB: stack.length + 2, transA: transposed };
  return { name: emit.reshape(emit.matMul(m, flat, o), dims), dims };
}
