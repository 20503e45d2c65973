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
    readonly shift: string;
    readonly width: number;
  },
): string {
  const { emit, around } = call;
  const { mean, factor, shift, width } = o;
  if (around.threads > ONE_PASS_THREADS_MAX || emit.opset < ONE_PASS_OPSET) {
    const column = (vector: string) => emit.reshape(vector, [-1, 1]);
    const rows = emit.reshape(x, [-1, width]);
    return emit.add(emit.mul(emit.sub(rows, column(mean)), column(factor)), column(shift));
  }
  // Rows as the channels of one sample; a variance of 1 leaves the factor what it is.
  const channels = emit.reshape(x, [1, -1, width]);
  const operands = [factor, shift, mean, filled(call, factor, 1)];
  const normal = emit.node("BatchNormalization", [channels, ...operands], { epsilon: float(0) });
  return emit.reshape(normal, [-1, width]);
}

/**
 * The gradients of y = scale x̂ + bias, normalised over rows of x whose statistics are known, with
 * r = inverse:
 *
 * ```text
 * dx = (r scale) dy − ((x − mean) r² q + r p)
 * p  = mean(scale dy),  q = mean(scale dy x̂) = r (mean(scale dy x) − mean p)
 * dscale = Σ dy x̂ = Σ r (dy x) − Σ (r mean) dy,  dbias = Σ dy
 * ```
 *
 * All sums are products of dy or of dy x with a vector, which read their operand once and write
 * next to nothing; r scale is an outer product. So dy x is the only value of full size that is made
 * beside the three of dx.
 *
 * @returns undefined where scale or bias do not have one element for each of a row
 */
export function rowGradients(call: Call, rows: NormalisedRows): AffineGradients | undefined {
  const { emit, type } = call;
  const { width } = rows;
  const whole = (i: number) => !call.has(i) || productOf(call.dims(call.input(i))) === width;
  if (!whole(1) || !whole(2)) return undefined;
  const x = call.input(0);
  const [mean, inverse] = [rows.mean, rows.inverse].map((value) => emit.reshape(value, [-1])) as [
    string,
    string,
  ];
  const times = (a: string, b: string) => emit.node("MatMul", [a, b]);
  const dy = () => emit.reshape(call.dy, [-1, width]);
  const product = () => emit.reshape(emit.mul(call.dy, x), [-1, width]);
  const data = () => {
    const scale = emit.reshape(call.input(1), [1, width]);
    const weights = emit.reshape(emit.scale(scale, type, 1 / width), [width, 1]);
    const level = emit.reshape(times(dy(), weights), [-1]);
    const raw = emit.reshape(times(product(), weights), [-1]);
    const tilt = emit.mul(emit.sub(raw, emit.mul(mean, level)), inverse);
    const factor = emit.mul(tilt, emit.mul(inverse, inverse));
    const shift = emit.mul(level, inverse);
    const offset = affineRows(call, x, { mean, factor, shift, width });
    const slope = times(emit.reshape(inverse, [-1, 1]), scale);
    // In the shape of x to begin with: where a Reshape gives a result of the graph, it copies it.
    const scaled = emit.mul(call.reshapeLike(slope, x), call.dy);
    return emit.sub(scaled, call.reshapeLike(offset, x));
  };
  const overRows = (weights: string, a: string) => times(emit.reshape(weights, [1, -1]), a);
  const scale = () => {
    const raw = overRows(inverse, product());
    const sum = emit.sub(raw, overRows(emit.mul(mean, inverse), dy()));
    return emit.reshape(sum, call.dims(call.input(1)));
  };
  const bias = () =>
    emit.reshape(overRows(filled(call, inverse, 1), dy()), call.dims(call.input(2)));
  return { data, scale, bias };
}
