import type { Extent } from "../onnx/mod.ts";
import { sameDims } from "../onnx/mod.ts";
import { type DType, DTYPES } from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { Emitter, float, MICROSOFT } from "./emit.ts";
import { productOf } from "./extent.ts";

/** A value whose shape is known. */
export interface Shaped {
  readonly name: string;
  readonly dims: readonly Extent[];
}

/**
 * The operators of which gradients are made, each written in the form that the graph's operator set
 * has for it. Values are named by strings; every method returns the name of its result.
 */
export class Operations extends Emitter {
  add(a: string, b: string): string {
    return this.node("Add", [a, b]);
  }

  sub(a: string, b: string): string {
    return this.node("Sub", [a, b]);
  }

  mul(a: string, b: string): string {
    return this.node("Mul", [a, b]);
  }

  div(a: string, b: string): string {
    return this.node("Div", [a, b]);
  }

  neg(a: string): string {
    return this.node("Neg", [a]);
  }

  /** `a` times a number. */
  scale(a: string, dtype: DType, factor: number): string {
    return factor === 1 ? a : this.mul(a, this.scalar(dtype, factor));
  }

  /** The sum of one or more values of one shape. */
  sum(values: readonly string[]): string {
    if (values.length === 1) return values[0]!;
    return this.node(values.length === 2 ? "Add" : "Sum", values);
  }

  cast(a: string, dtype: DType): string {
    return this.node("Cast", [a], { to: DTYPES[dtype].code });
  }

  /** Whether elements are equal, as booleans. Equal takes floats since opset 11. */
  equal(a: string, b: string): string {
    if (this.opset >= 11) return this.node("Equal", [a, b]);
    const differs = this.node("Or", [this.node("Less", [a, b]), this.node("Greater", [a, b])]);
    return this.node("Not", [differs]);
  }

  /** 1 where the boolean `condition` holds and 0 elsewhere. */
  indicator(condition: string, dtype: DType): string {
    return this.cast(condition, dtype);
  }

  transpose(a: string, perm: readonly number[]): string {
    return perm.every((axis, i) => axis === i) ? a : this.node("Transpose", [a], { perm });
  }

  /** Sum over `axes` (not negative). */
  reduceSum(a: string, axes: readonly number[], keepdims: boolean): string {
    return this.reduce("ReduceSum", a, axes, keepdims);
  }

  /**
   * Sum over the first `lead` axes of `a`, of shape `dims`. For float32 it is a row of ones
   * times a matrix: ReduceSum takes up to eight times as long where the sums are many and short.
   */
  sumOverLeading(a: string, dims: readonly Extent[], lead: number, dtype: DType): string {
    const rest = dims.slice(lead);
    const width = productOf(rest);
    if (dtype !== "float32" || typeof width !== "number" || width === 1) {
      return this.reduceSum(a, dims.slice(0, lead).map((_, axis) => axis), false);
    }
    const rows = dims.length === 2 ? a : this.reshape(a, [-1, width]);
    const ones = this.expand(this.scalar(dtype, 1), this.dimension(rows, 0));
    return this.reshape(this.node("MatMul", [this.reshape(ones, [1, -1]), rows]), rest);
  }

  /** Mean over `axes` (not negative). */
  reduceMean(a: string, axes: readonly number[], keepdims: boolean): string {
    return this.reduce("ReduceMean", a, axes, keepdims);
  }

  /**
   * A reduction over `axes` (not negative), which became an input with opset 13 (ReduceSum) or 18;
   * over none it is `a`, which is wrong for norms.
   */
  reduce(op: string, a: string, axes: readonly number[], keepdims: boolean): string {
    if (axes.length === 0) return a;
    const keep = { keepdims: keepdims ? 1 : 0 };
    const asInput = this.opset >= (op === "ReduceSum" ? 13 : 18);
    return asInput
      ? this.node(op, [a, this.ints(axes)], keep)
      : this.node(op, [a], { ...keep, axes });
  }

  unsqueeze(a: string, axes: readonly number[]): string {
    if (axes.length === 0) return a;
    if (this.opset < 13) return this.node("Unsqueeze", [a], { axes });
    return this.node("Unsqueeze", [a, this.ints(axes)]);
  }

  /**
   * `a` with the elements of `dims`. One dimension may follow the batch; where several do, a value
   * of the wanted shape is needed as `like`.
   */
  reshape(a: string, dims: readonly Extent[], like?: string): string {
    if (dims.filter((extent) => typeof extent !== "number").length <= 1) {
      const sizes = dims.map((extent) => typeof extent === "number" ? extent : -1);
      return this.node("Reshape", [a, this.ints(sizes)]);
    }
    if (like === undefined) {
      throw new RavnError(
        `the gradient reshapes "${a}" to a shape in which several dimensions follow the batch; ` +
          "give the model a shape in which only one does",
      );
    }
    return this.node("Reshape", [a, this.node("Shape", [like])]);
  }

  /**
   * The shape `dims` as an int64 vector at run time. It is built from `references`, whose shapes
   * are read; prefer values that the backward pass has anyway.
   */
  shape(dims: readonly Extent[], references: readonly Shaped[]): string {
    if (dims.every((extent) => typeof extent === "number")) return this.ints(dims as number[]);
    const same = references.find((reference) => sameDims(reference.dims, dims));
    if (same !== undefined) return this.node("Shape", [same.name]);
    return this.node("Concat", this.#pieces(dims, references), { axis: 0 });
  }

  #pieces(dims: readonly Extent[], references: readonly Shaped[]): string[] {
    const pieces: string[] = [];
    let fixed: number[] = [];
    for (const extent of dims) {
      if (typeof extent === "number") {
        fixed.push(extent);
        continue;
      }
      if (fixed.length > 0) pieces.push(this.ints(fixed));
      fixed = [];
      pieces.push(this.extent(extent.perSample, references));
    }
    if (fixed.length > 0) pieces.push(this.ints(fixed));
    return pieces;
  }

  /** `perSample` times the number of samples, as an int64 vector of one element. */
  extent(perSample: number, references: readonly Shaped[]): string {
    const candidates = references.flatMap(({ name, dims }) =>
      dims.flatMap((extent, axis) =>
        typeof extent === "number" ? [] : [{ name, axis, perSample: extent.perSample }]
      )
    );
    const found = candidates.find((candidate) => candidate.perSample === perSample) ??
      candidates[0];
    if (found === undefined) {
      throw new RavnError("no value at hand whose shape tells the batch size");
    }
    const size = this.dimension(found.name, found.axis);
    if (found.perSample === perSample) return size;
    const samples = found.perSample === 1 ? size : this.div(size, this.ints([found.perSample]));
    return perSample === 1 ? samples : this.mul(samples, this.ints([perSample]));
  }

  /** Size of one dimension at run time, as an int64 vector of one element. */
  dimension(a: string, axis: number): string {
    if (this.opset >= 15) return this.node("Shape", [a], { start: axis, end: axis + 1 });
    return this.slice(this.node("Shape", [a]), [axis], [axis + 1], [0]);
  }

  /** `a[starts:ends:steps]` over `axes`. */
  slice(
    a: string,
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps?: readonly number[],
  ): string {
    if (this.opset < 10) return this.node("Slice", [a], { starts, ends, axes });
    const inputs = [a, this.ints(starts), this.ints(ends), this.ints(axes)];
    return this.node("Slice", steps === undefined ? inputs : [...inputs, this.ints(steps)]);
  }

  /**
   * `a` with zeros around it: `begins[i]` before and `ends[i]` after along axis i; negative crops.
   */
  pad(a: string, begins: readonly number[], ends: readonly number[]): string {
    const pads = [...begins, ...ends];
    if (pads.every((amount) => amount === 0)) return a;
    return this.opset < 11
      ? this.node("Pad", [a], { pads })
      : this.node("Pad", [a, this.ints(pads)]);
  }

  concat(values: readonly string[], axis: number): string {
    return values.length === 1 ? values[0]! : this.node("Concat", values, { axis });
  }

  /** `a` broadcast to a shape given as an int64 vector. */
  expand(a: string, shape: string): string {
    return this.node("Expand", [a, shape]);
  }

  /**
   * alpha · op(a) op(b), where op transposes the last two dimensions if asked; leading dimensions
   * broadcast. `rank` is the larger rank of the two. One node for float32.
   */
  matMul(
    a: string,
    b: string,
    o: { dtype: DType; rankA: number; rankB: number; transA?: boolean; transB?: boolean },
    alpha: number = 1,
  ): string {
    const { transA = false, transB = false } = o;
    if (!transA && !transB && alpha === 1) return this.node("MatMul", [a, b]);
    const flags = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: float(alpha) };
    if (o.dtype === "float32") return this.node("FusedMatMul", [a, b], flags, MICROSOFT);
    const left = transA ? this.transpose(a, lastTwoSwapped(o.rankA)) : a;
    const right = transB ? this.transpose(b, lastTwoSwapped(o.rankB)) : b;
    return this.scale(this.node("MatMul", [left, right]), o.dtype, alpha);
  }
}

/** The permutation that transposes the matrices in a stack of them. */
export function lastTwoSwapped(rank: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i);
  return [...perm.slice(0, rank - 2), rank - 1, rank - 2];
}
