import type { Call } from "../call.ts";
import { float } from "../emit.ts";
import { productOf } from "../extent.ts";
import type { AffineGradients } from "./normalised.ts";

/**
 * Up to so many threads a row is scaled and shifted in one pass by BatchNormalization, which runs
 * on one; beyond them two passes on all threads take less.
 */
const ONE_PASS_THREADS_MAX = 2;

/** First opset whose BatchNormalization has the form in use. */
const ONE_PASS_OPSET = 9;

/** What `rowGradients` reads: y = scale x̂ + bias with x̂ = (x − mean) · inverse. */
export interface NormalisedRows {
  /** Statistics of the rows, given out by the forward pass. */
  readonly mean: string;
  readonly inverse: string;
  /** Elements of a row. */
  readonly width: number;
}

/** A vector of `value`, as long as the vector `like`. */
function filled(call: Call, like: string, value: number): string {
  const { emit, type } = call;
  return emit.expand(emit.scalar(type, value), emit.node("Shape", [like]));
}

/** (x − mean) · factor + shift, the last three with one element for each row: [rows, width]. */
function affineRows(
  call: Call,
  x: string,
  o: {
    readonly mean: string;
    readonly factor: string;
    readonly shift: string | undefined;
    readonly width: number;
  },
): string {
  const { emit, around } = call;
  const { mean, factor, shift, width } = o;
  if (around.threads > ONE_PASS_THREADS_MAX || emit.opset < ONE_PASS_OPSET) {
    const column = (vector: string) => emit.reshape(vector, [-1, 1]);
    const rows = emit.reshape(x, [-1, width]);
    const product = emit.mul(emit.sub(rows, column(mean)), column(factor));
    return shift === undefined ? product : emit.add(product, column(shift));
  }
  // Rows as the channels of one sample; a variance of 1 leaves the factor what it is.
  const channels = emit.reshape(x, [1, -1, width]);
  const operands = [factor, shift ?? filled(call, factor, 0), mean, filled(call, factor, 1)];
  const normal = emit.node("BatchNormalization", [channels, ...operands], { epsilon: float(0) });
  return emit.reshape(normal, [-1, width]);
}

/**
 * The gradients of y = scale x̂ + bias, normalised over rows of x whose statistics are known:
 *
 * ```text
 * dx = inverse · (scale dy − p − x̂ q),  p = mean(scale dy),  q = mean(scale dy x̂)
 * dscale = Σ dy x̂,  dbias = Σ dy
 * ```
 *
 * All sums are products of matrices with vectors, which read their operand once and write next to
 * nothing: p = dy · scale / n, q = (dy x̂) · scale / n, and Σ over rows by a row of ones.
 *
 * @returns undefined where scale or bias do not have one element for each of a row
 */
export function rowGradients(call: Call, rows: NormalisedRows): AffineGradients | undefined {
  const { emit, type } = call;
  const { width } = rows;
  const whole = (i: number) => !call.has(i) || productOf(call.dims(call.input(i))) === width;
  if (!whole(1) || !whole(2)) return undefined;
  const x = call.input(0);
  const [mean, inverse] = [rows.mean, rows.inverse].map((value) => emit.reshape(value, [-1]));
  const dy = () => emit.reshape(call.dy, [-1, width]);
  const product = () => {
    const hat = affineRows(call, x, { mean: mean!, factor: inverse!, shift: undefined, width });
    return emit.mul(dy(), hat);
  };
  const rowSum = (value: string, i: number) => {
    const ones = emit.reshape(filled(call, inverse!, 1), [1, -1]);
    return emit.reshape(emit.node("MatMul", [ones, value]), call.dims(call.input(i)));
  };
  const data = () => {
    const scale = emit.reshape(call.input(1), [width]);
    const weights = emit.reshape(emit.scale(scale, type, 1 / width), [width, 1]);
    const tilt = emit.reshape(emit.node("MatMul", [product(), weights]), [-1]);
    const shift = emit.reshape(emit.node("MatMul", [dy(), weights]), [-1]);
    const factor = emit.mul(tilt, inverse!);
    const offset = affineRows(call, x, { mean: mean!, factor, shift, width });
    const level = emit.sub(emit.mul(dy(), scale), offset);
    const dx = emit.mul(level, emit.reshape(rows.inverse, [-1, 1]));
    return call.reshapeLike(dx, x);
  };
  return { data, scale: () => rowSum(product(), 1), bias: () => rowSum(dy(), 2) };
}
