import { Random } from "../random.ts";
import {
  elementCount,
  type Facts,
  type Graph,
  isFloat,
  numbers,
  type Tensor,
  tensor,
} from "../onnx/mod.ts";
import { RavnError } from "../error.ts";
import { forwardGraph, gradientGraph } from "./gradient_graph.ts";

/** A graph that is ready to run. */
export interface Runnable {
  run(feeds: ReadonlyMap<string, Tensor>): Promise<Map<string, Tensor>>;
}

/** What to check, and how closely to look. */
export interface FiniteDifferenceOptions {
  readonly graph: Graph;
  readonly facts: Facts;
  /** A value for every graph input. */
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** Graph inputs and initializers of float type. */
  readonly wrt: readonly string[];
  /** Makes a graph ready to run. */
  readonly prepare: (graph: Graph) => Promise<Runnable>;
  /** Distance of the two points, relative to the larger of 1 and the element; 0.01 if absent. */
  readonly step?: number;
  /** How many elements of each value are looked at, drawn at random; all of 64 if absent. */
  readonly elementsMax?: number;
  /** Of the weights of the outputs and of the elements that are drawn. */
  readonly seed?: number;
}

/** The worst disagreement found in one value. */
export interface Deviation {
  /** The value of `wrt`. */
  readonly value: string;
  /** Index of the element, row-major. */
  readonly element: number;
  readonly analytic: number;
  readonly numeric: number;
  /** |analytic − numeric| over the largest gradient of this value, or over 1e-3 if that is less. */
  readonly relative: number;
}

const STEP = 0.01;
const ELEMENTS_MAX = 64;
const SMALLEST_SCALE = 1e-3;

/**
 * Compares the gradients of a graph with central differences. The loss is L = Σ w·y over all float
 * outputs y with random weights w, so every output and every element of a gradient takes part:
 *
 * ```text
 * dL/dx ≈ (L(x + h) − L(x − h)) / 2h
 * ```
 *
 * L is summed up in double precision, but the graph computes in its own: with float32 expect
 * deviations around 1e-3, with float64 around h².
 *
 * @returns for each value of `wrt` the worst element.
 * @throws {RavnError} where a value of `wrt` has no gradient.
 */
export async function gradientDeviations(o: FiniteDifferenceOptions): Promise<Deviation[]> {
  const outputs = o.graph.outputs.filter(({ dtype }) => isFloat(dtype)).map(({ name }) => name);
  const whole = gradientGraph(o.graph, o.facts, { outputs, wrt: o.wrt });
  const { graph, seeds, gradients } = whole;
  const forward = forwardGraph(o.graph, whole);
  const random = new Random(o.seed ?? 1);
  const feeds = new Map(o.feeds);
  for (const name of o.wrt) {
    const value = o.graph.initializers.get(name);
    if (value !== undefined) feeds.set(name, value);
  }
  const runnable = await o.prepare(forward);
  const values = await runnable.run(feeds);
  const weights = new Map(outputs.map((name) => [name, weightsFor(values.get(name)!, random)]));
  const seeded = new Map(feeds);
  for (const [output, seed] of seeds) seeded.set(seed, weights.get(output)!);
  const backward = await (await o.prepare(graph)).run(seeded);
  const loss = async (point: ReadonlyMap<string, Tensor>) =>
    weighted(await runnable.run(point), weights);
  const deviations: Deviation[] = [];
  for (const value of o.wrt) {
    const name = gradients.get(value);
    if (name === undefined) throw new RavnError(`no output depends on "${value}"`);
    const analytic = Array.from(numbers(backward.get(name)!));
    deviations.push(await worst(o, value, feeds, analytic, loss, random));
  }
  return deviations;
}

function weightsFor({ dtype, dims }: Tensor, random: Random): Tensor {
  return tensor(dtype, dims, Array.from({ length: elementCount(dims) }, () => random.normal()));
}

function weighted(
  values: ReadonlyMap<string, Tensor>,
  weights: ReadonlyMap<string, Tensor>,
): number {
  let sum = 0;
  for (const [name, weight] of weights) {
    const [y, w] = [numbers(values.get(name)!), numbers(weight)];
    for (let i = 0; i < w.length; i++) sum += w[i]! * y[i]!;
  }
  return sum;
}

async function worst(
  o: FiniteDifferenceOptions,
  value: string,
  feeds: ReadonlyMap<string, Tensor>,
  analytic: readonly number[],
  loss: (point: ReadonlyMap<string, Tensor>) => Promise<number>,
  random: Random,
): Promise<Deviation> {
  const at = feeds.get(value)!;
  if (analytic.length !== elementCount(at.dims)) {
    throw new RavnError(
      `the gradient of "${value}" has ${analytic.length} elements, the value [${at.dims}]`,
    );
  }
  const scale = analytic.reduce((most, x) => Math.max(most, Math.abs(x)), SMALLEST_SCALE);
  let found: Deviation = { value, element: 0, analytic: 0, numeric: 0, relative: 0 };
  for (const element of drawn(analytic.length, o.elementsMax ?? ELEMENTS_MAX, random)) {
    const numeric = await slope(o.step ?? STEP, value, at, element, feeds, loss);
    const relative = Math.abs(analytic[element]! - numeric) / scale;
    if (!(relative <= found.relative)) {
      found = { value, element, analytic: analytic[element]!, numeric, relative };
    }
  }
  return found;
}

async function slope(
  step: number,
  value: string,
  at: Tensor,
  element: number,
  feeds: ReadonlyMap<string, Tensor>,
  loss: (point: ReadonlyMap<string, Tensor>) => Promise<number>,
): Promise<number> {
  const values = Float64Array.from(numbers(at));
  const x = values[element]!;
  const h = step * Math.max(1, Math.abs(x));
  const moved = async (to: number) => {
    values[element] = to;
    const point = tensor(at.dtype, at.dims, values);
    const reached = numbers(point)[element]!;
    return { reached, loss: await loss(new Map([...feeds, [value, point]])) };
  };
  const [above, below] = [await moved(x + h), await moved(x - h)];
  return (above.loss - below.loss) / (above.reached - below.reached);
}

/** Up to `most` different indices below `count`. */
function drawn(count: number, most: number, random: Random): number[] {
  const indices = Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < Math.min(most, count); i++) {
    const j = i + Math.floor(random.uniform() * (count - i));
    [indices[i], indices[j]] = [indices[j]!, indices[i]!];
  }
  return indices.slice(0, most);
}
