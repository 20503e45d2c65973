import { isFloat, numbers, type Tensor, tensor } from "../onnx/mod.ts";
import type { Random } from "../random.ts";

/** Values by name at which a graph is run. */
export type Point = ReadonlyMap<string, Tensor>;

/** A change of some values: for each name as many numbers as it has elements. */
export type Direction = ReadonlyMap<string, Float32Array>;

/** The derivative along a direction, measured with one step h. */
export interface Slope {
  readonly step: number;
  /** (L(x + h v) − L(x − h v)) / 2h */
  readonly numeric: number;
  /** ⟨∇L, v⟩, over the distance that the rounded values really moved. */
  readonly analytic: number;
}

/** What comes of comparing a gradient with finite differences along a direction. */
export interface Judgement {
  /** `unclear`: the differences scatter so much that they tell nothing. */
  readonly verdict: "agrees" | "differs" | "unclear";
  /** |analytic − numeric| / scale. */
  readonly relative: number;
  readonly analytic: number;
  readonly numeric: number;
  /** The step that was taken for the most reliable. */
  readonly step: number;
  /** Error that the difference itself may have, over the scale. */
  readonly scatter: number;
}

/** The steps, relative to the size of a value: wide for flat slopes, small for kinks. */
export const STEPS: readonly number[] = [-3, -5, -7, -9, -11, -13, -15, -17, -19]
  .map((power) => 2 ** power);

/** Differences that scatter more than this part of the scale tell nothing. */
const SCATTER_MAX = 0.05;

/** Half a unit in the last place of float32, relative. */
const ROUNDING = 2 ** -24;

/** Larger numbers stand for infinity in masks; they say nothing about the size of a value. */
const SIZE_MAX = 1e3;

/** Elements that are looked at for the size of a value. */
const SIZE_SAMPLES = 1024;

/** The size of a value's elements: the median of those that are not zero, or 0.1. */
export function sizeOf(value: Tensor): number {
  const all = numbers(value);
  const stride = Math.max(1, Math.floor(all.length / SIZE_SAMPLES));
  const seen: number[] = [];
  for (let i = 0; i < all.length; i += stride) {
    const size = Math.abs(all[i]!);
    if (size > 0 && size < SIZE_MAX) seen.push(size);
  }
  seen.sort((a, b) => a - b);
  return seen[seen.length >> 1] ?? 0.1;
}

/** Fills `target` with numbers of mean 0 and variance 1, uniform in (-√3, √3). */
function drawInto(target: Float32Array, random: Random): void {
  const half = 2 ** 31;
  const factor = Math.sqrt(3) / half;
  for (let i = 0; i < target.length; i++) target[i] = (random.next() + 0.5 - half) * factor;
}

/**
 * A random direction: v uniform with variance s², s the size of the value, or the element's own
 * size where `relative`, which leaves signs as they are. Elements that are not finite stay.
 */
export function randomDirection(
  point: Point,
  names: Iterable<string>,
  random: Random,
  relative = false,
): Direction {
  return new Map([...names].map((name): [string, Float32Array] => {
    const value = point.get(name)!;
    const size = sizeOf(value);
    const x = numbers(value);
    const drawn = new Float32Array(x.length);
    drawInto(drawn, random);
    for (let i = 0; i < x.length; i++) {
      const v = drawn[i]! * (relative ? Math.abs(x[i]!) : size);
      drawn[i] = Number.isFinite(x[i]!) ? v : 0;
    }
    return [name, drawn];
  }));
}

/**
 * A random direction in which values of large gradients move less, so that the share of a value in
 * the slope, √Σ(g·v)² over its elements, is at most the median share.
 */
export function balancedDirection(point: Point, gradients: Point, random: Random): Direction {
  const direction = randomDirection(point, gradients.keys(), random);
  const shares = new Map(
    [...direction].map(([name, v]) => [name, slopeSize(gradients, new Map([[name, v]]))]),
  );
  const rising = [...shares.values()].filter((share) => share > 0).sort((a, b) => a - b);
  const median = rising[rising.length >> 1] ?? 0;
  for (const [name, v] of direction) {
    const share = shares.get(name)!;
    if (share <= median) continue;
    for (let i = 0; i < v.length; i++) v[i]! *= median / share;
  }
  return direction;
}

/** Elements of a steepest direction are at most this many sizes of their value long. */
const STEEPEST_MAX = 3;

/**
 * The direction in which the loss rises, v ~ s² g: as long as a random one, or shorter where few
 * elements make up most of the gradient.
 */
export function steepestDirection(point: Point, gradients: Point): Direction {
  let square = 0, count = 0, largest = 0;
  for (const [name, gradient] of gradients) {
    const size = sizeOf(point.get(name)!);
    const values = numbers(gradient);
    count += values.length;
    for (let i = 0; i < values.length; i++) {
      const length = Math.abs(values[i]! * size);
      square += length * length;
      if (length > largest) largest = length;
    }
  }
  const factor = square === 0 ? 0 : Math.min(Math.sqrt(count / square), STEEPEST_MAX / largest);
  return new Map([...gradients].map(([name, gradient]): [string, Float32Array] => {
    const size = sizeOf(point.get(name)!);
    const g = numbers(gradient);
    const v = new Float32Array(g.length);
    for (let i = 0; i < v.length; i++) v[i] = g[i]! * size * size * factor;
    return [name, v];
  }));
}

/** `point` moved by `step` times the direction, rounded to the types of the values. */
export function movedPoint(point: Point, direction: Direction, step: number): Point {
  const moved = new Map(point);
  for (const [name, v] of direction) {
    const value = point.get(name)!;
    const x = numbers(value);
    const target = value.dtype === "float32"
      ? new Float32Array(x.length)
      : new Float64Array(x.length);
    for (let i = 0; i < x.length; i++) target[i] = x[i]! + step * v[i]!;
    moved.set(name, ofType(value, target));
  }
  return moved;
}

/**
 * Weights of mean 0 and variance 1, uniform, for the float values of a run; 0 for elements that are
 * not finite.
 */
export function lossWeights(values: Point, random: Random): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const [name, value] of values) {
    if (!isFloat(value.dtype)) continue;
    const y = numbers(value);
    const drawn = new Float32Array(y.length);
    drawInto(drawn, random);
    for (let i = 0; i < y.length; i++) if (!Number.isFinite(y[i]!)) drawn[i] = 0;
    weights.set(name, ofType(value, drawn));
  }
  return weights;
}

/** Numbers as a tensor like another one; float32 is not copied. */
function ofType(like: Tensor, values: Float32Array<ArrayBuffer> | Float64Array): Tensor {
  return like.dtype === "float32" && values instanceof Float32Array
    ? { ...like, bytes: new Uint8Array(values.buffer) }
    : tensor(like.dtype, like.dims, values);
}

/** L = Σ w·y over all weighted values, in double precision. */
export function weightedLoss(values: Point, weights: Point): number {
  let sum = 0;
  for (const [name, weight] of weights) {
    sum += weightedSum(numbers(values.get(name)!), numbers(weight));
  }
  return sum;
}

/** Σ w·y in four sums side by side; what has no weight need not be finite. */
function weightedSum(y: ArrayLike<number>, w: ArrayLike<number>): number {
  let a = 0, b = 0, c = 0, d = 0;
  const whole = w.length - w.length % 4;
  for (let i = 0; i < whole; i += 4) {
    if (w[i] !== 0) a += w[i]! * y[i]!;
    if (w[i + 1] !== 0) b += w[i + 1]! * y[i + 1]!;
    if (w[i + 2] !== 0) c += w[i + 2]! * y[i + 2]!;
    if (w[i + 3] !== 0) d += w[i + 3]! * y[i + 3]!;
  }
  for (let i = whole; i < w.length; i++) if (w[i] !== 0) a += w[i]! * y[i]!;
  return a + b + c + d;
}

/** √Σ(w·y)²: what the rounding errors of L are a part of. */
export function lossSize(values: Point, weights: Point): number {
  let sum = 0;
  for (const [name, weight] of weights) {
    const [y, w] = [numbers(values.get(name)!), numbers(weight)];
    for (let i = 0; i < w.length; i++) if (w[i] !== 0) sum += (w[i]! * y[i]!) ** 2;
  }
  return Math.sqrt(sum);
}

/** ⟨g, v⟩, the derivative along a direction. */
export function slopeOf(gradients: Point, direction: Direction): number {
  let sum = 0;
  for (const [name, v] of direction) sum += weightedSum(numbers(gradients.get(name)!), v);
  return sum;
}

/** √Σ(g·v)²: the size of ⟨g, v⟩ for a random v. */
export function slopeSize(gradients: Point, direction: Direction): number {
  let sum = 0;
  for (const [name, v] of direction) {
    const g = numbers(gradients.get(name)!);
    for (let i = 0; i < v.length; i++) sum += (g[i]! * v[i]!) ** 2;
  }
  return Math.sqrt(sum);
}

/** Part of L by which a step should change it: far from rounding errors, and from kinks. */
const CHANGE = 2 ** -10;

/**
 * The steps in the order in which they tell most: first those that change L by a small part of it.
 *
 * @param slope size of the derivative
 * @param loss √Σ(w·y)²
 */
export function stepsFor(slope: number, loss: number): number[] {
  const best = slope === 0 ? 1 : CHANGE * loss / slope;
  const near = Math.log2(Math.min(Math.max(best, STEPS.at(-1)!), STEPS[0]!));
  return STEPS.toSorted((a, b) => Math.abs(Math.log2(a) - near) - Math.abs(Math.log2(b) - near));
}

/** Whether a judgement by some of the steps is so clear that the others need not be asked. */
export function isSettled({ verdict, relative }: Judgement, tolerance: number): boolean {
  return verdict === "agrees" && relative <= tolerance;
}

/** One slope by a central difference; `loss` runs the graph. */
export async function slopeAlong(
  o: { readonly point: Point; readonly direction: Direction; readonly gradients: Point },
  step: number,
  loss: (point: Point) => Promise<number>,
): Promise<Slope> {
  const above = movedPoint(o.point, o.direction, step);
  const below = movedPoint(o.point, o.direction, -step);
  let analytic = 0;
  for (const name of o.direction.keys()) {
    const [g, a, b] = [o.gradients, above, below].map((p) => numbers(p.get(name)!));
    for (let i = 0; i < g!.length; i++) {
      if (g![i] !== 0) analytic += g![i]! * (a![i]! - b![i]! || 0);
    }
  }
  const numeric = (await loss(above) - await loss(below)) / (2 * step);
  return { step, numeric, analytic: analytic / (2 * step) };
}

/**
 * Compares slopes at falling steps. Truncation makes the differences of wide steps wrong, and so
 * does a kink (ReLU, a maximum) between the two points; rounding makes those of small steps wrong,
 * by N / h with N from the smallest steps. The error of the difference at step h is then
 *
 * ```text
 * u(h) = N/h + max(min (|D(h) − D(h')| + N/h'), max (|D(h) − D(h')| − N/h'))
 * ```
 *
 * over the smaller steps h': one of them must confirm the difference, and none may contradict it.
 *
 * The step with the least one is taken, and a gradient differs only where it lies further away.
 *
 * @param o.scale size of the derivative along a random direction
 * @param o.loss √Σ(w·y)², for the rounding error of L
 */
export function judge(
  slopes: readonly Slope[],
  o: { readonly scale: number; readonly loss: number; readonly tolerance: number },
): Judgement {
  const finite = slopes.filter(({ numeric }) => Number.isFinite(numeric));
  const best = mostReliable(finite, o.loss);
  if (best === undefined) {
    const analytic = slopes[0]?.analytic ?? 0;
    const verdict = Number.isFinite(analytic) ? "unclear" : "differs";
    return { verdict, relative: NaN, analytic, numeric: NaN, step: 0, scatter: Infinity };
  }
  const { slope: { step, numeric, analytic }, apart } = best;
  const scale = Math.max(o.scale, Math.abs(analytic), Math.abs(numeric), Number.MIN_VALUE);
  const error = Math.abs(analytic - numeric);
  const judged = { relative: error / scale, analytic, numeric, step, scatter: apart / scale };
  if (error <= o.tolerance * scale + 2 * apart) {
    return { verdict: apart > SCATTER_MAX * scale ? "unclear" : "agrees", ...judged };
  }
  return { verdict: "differs", ...judged };
}

/** The slope with the least u(h), and that. */
function mostReliable(
  slopes: readonly Slope[],
  loss: number,
): { readonly slope: Slope; readonly apart: number } | undefined {
  const smallest = slopes.slice(-3);
  if (smallest.length < 2) return undefined;
  const rounding = smallest.slice(1).reduce(
    (most, { numeric, step }, i) => Math.max(most, Math.abs(numeric - smallest[i]!.numeric) * step),
    8 * ROUNDING * loss,
  );
  let best: { slope: Slope; apart: number } | undefined;
  slopes.forEach((slope, i) => {
    const later = slopes.slice(i + 1).map(({ numeric, step }) => ({
      distance: Math.abs(slope.numeric - numeric),
      noise: rounding / step,
    }));
    const beyond = later.map(({ distance, noise }) => distance - noise);
    const certain = later.map(({ distance, noise }) => distance + noise);
    const wrong = later.length === 0 ? 0 : Math.max(Math.min(...certain), ...beyond);
    const apart = rounding / slope.step + wrong;
    if (best === undefined || apart < best.apart) best = { slope, apart };
  });
  return best;
}
