import {
  balancedDirection,
  forwardGraph,
  isSettled,
  judge,
  lossSize,
  lossWeights,
  movedPoint,
  randomDirection,
  slopeAlong,
  slopeOf,
  slopeSize,
  steepestDirection,
  STEPS,
  stepsFor,
  weightedLoss,
} from "../autodiff/mod.ts";
import type {
  Direction,
  GradientGraph,
  gradientGraph,
  Judgement,
  Point,
  Slope,
} from "../autodiff/mod.ts";
import { isFloat, writeModel } from "../onnx/mod.ts";
import type { Facts, Graph } from "../onnx/mod.ts";
import type { Random } from "../random.ts";
import { copyOf } from "../runtime/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import { RepeatedRun } from "./repeated_run.ts";

/** Writes the backward pass of a graph into it; a test gives one that is wrong. */
export type MakeGradient = typeof gradientGraph;

/** What `GradientProbe.open` takes. */
export interface ProbeOptions {
  readonly runtime: Runtime;
  readonly graph: Graph;
  readonly facts: Facts;
  /** A value for every graph input and for everything in `wrt`. */
  readonly point: Point;
  /** Values to differentiate by: graph inputs and initializers of float type. */
  readonly wrt: readonly string[];
  readonly makeGradient: MakeGradient;
  readonly random: Random;
  /** Error, relative to the size of the slope, that counts as none. */
  readonly tolerance: number;
  readonly effort: Effort;
  /** False where the time is up: judgements that have not begun are left out. */
  readonly hasTime: () => boolean;
}

/** A point and the gradient of L = Σ w·y there. */
interface Place {
  readonly point: Point;
  readonly weights: Point;
  /** √Σ(w·y)² */
  readonly size: number;
  readonly gradients: Point;
}

/** How much is asked for a judgement. */
export interface Effort {
  /** Steps of the finite differences at most. */
  readonly steps: number;
  /** Places that are asked where the first one shows a difference; the median decides. */
  readonly places: number;
}

/** The usual effort, and the one for models whose runs take long. */
export const EFFORTS: Readonly<Record<"full" | "less", Effort>> = {
  full: { steps: STEPS.length, places: 5 },
  less: { steps: 7, places: 3 },
};

/** Differences without which there is no judgement. */
const SLOPES_MIN = 3;

/** How far the places lie apart, relative to the size of a value. */
const APART = 0.1;

/**
 * A graph with the gradient of L = Σ w·y over its float outputs, ready to be compared with finite
 * differences along directions.
 */
export class GradientProbe implements Disposable {
  readonly #o: ProbeOptions;
  readonly #whole: GradientGraph;
  readonly #forward: RepeatedRun;
  readonly #backward: RepeatedRun;
  #place: Place;

  private constructor(
    o: ProbeOptions,
    whole: GradientGraph,
    runs: { readonly forward: RepeatedRun; readonly backward: RepeatedRun },
  ) {
    this.#o = o;
    this.#whole = whole;
    this.#forward = runs.forward;
    this.#backward = runs.backward;
    this.#place = { point: o.point, weights: new Map(), size: 0, gradients: new Map() };
  }

  /** Runs the graph and its gradient at the point. */
  static async open(o: ProbeOptions): Promise<GradientProbe> {
    const { runtime, graph, facts, wrt } = o;
    const outputs = graph.outputs.filter(({ name }) => isFloat(facts.get(name)!.dtype));
    const names = outputs.map(({ name }) => name);
    const whole = o.makeGradient(graph, facts, { outputs: names, wrt });
    const alone = forwardGraph({ ...graph, outputs }, whole);
    const open = async (model: Graph) =>
      new RepeatedRun(runtime, await runtime.session(writeModel(model)));
    const [forward, backward] = [await open(alone), await open(whole.graph)];
    const probe = new GradientProbe(o, whole, { forward, backward });
    probe.#place = await probe.#at(o.point);
    return probe;
  }

  /** True where an output depends on a value of `wrt`. */
  reaches(name: string): boolean {
    return this.#place.gradients.has(name);
  }

  /**
   * Judges the gradient with respect to `names` along a random direction and, where that shows
   * nothing, along the steepest one.
   *
   * @param relative directions and places keep the signs of all elements
   * @returns undefined where there was no time
   */
  async judged(names: readonly string[], relative = false): Promise<Judgement | undefined> {
    const judgement = await this.judgedRandom(names, relative);
    return judgement?.verdict === "unclear" && !relative
      ? await this.judgedSteepest(names) ?? judgement
      : judgement;
  }

  /** Judges the gradient along a random direction. */
  async judgedRandom(names: readonly string[], relative = false): Promise<Judgement | undefined> {
    const { random } = this.#o;
    return await this.#judged(
      ({ point }) => randomDirection(point, names, random, relative),
      relative,
    );
  }

  /** Judges the gradient along a random direction in which no value outweighs most others. */
  async judgedBalanced(names: readonly string[]): Promise<Judgement | undefined> {
    const { random } = this.#o;
    return await this.#judged(
      ({ point, gradients }) => balancedDirection(point, only(gradients, names), random),
      false,
    );
  }

  /** Judges the gradient along the direction in which L rises fastest. */
  async judgedSteepest(names: readonly string[]): Promise<Judgement | undefined> {
    return await this.#judged(
      ({ point, gradients }) => steepestDirection(point, only(gradients, names)),
      false,
    );
  }

  /**
   * Where there is a difference the median of several places counts, whether there is time or not:
   * a kink that lies close to one is not close to the others.
   */
  async #judged(
    direction: (at: Place) => Direction,
    relative: boolean,
  ): Promise<Judgement | undefined> {
    const { hasTime, effort } = this.#o;
    if (!hasTime()) return undefined;
    const first = await this.#along(this.#place, direction(this.#place), hasTime);
    if (first?.verdict !== "differs") return first;
    const judgements = [first];
    while (judgements.length < effort.places) {
      const place = await this.#elsewhere(relative);
      judgements.push((await this.#along(place, direction(place), () => true))!);
    }
    judgements.sort((a, b) => excess(a) - excess(b));
    return judgements[judgements.length >> 1]!;
  }

  async #at(point: Point): Promise<Place> {
    const values = await this.#forward.run(point);
    const weights = lossWeights(values, this.#o.random);
    const { seeds, gradients } = this.#whole;
    const seeded = new Map(point);
    for (const [output, seed] of seeds) seeded.set(seed, weights.get(output)!);
    const results = await this.#backward.run(seeded);
    const found = [...gradients].map(([value, name]) =>
      [value, copyOf(results.get(name)!)] as const
    );
    return { point, weights, size: lossSize(values, weights), gradients: new Map(found) };
  }

  async #elsewhere(relative: boolean): Promise<Place> {
    const { point, wrt, random } = this.#o;
    return await this.#at(movedPoint(point, randomDirection(point, wrt, random, relative), APART));
  }

  /** Asks the steps one by one, until they are clear; undefined where the time was too short. */
  async #along(
    place: Place,
    direction: Direction,
    hasTime: () => boolean,
  ): Promise<Judgement | undefined> {
    const { effort, tolerance } = this.#o;
    const gradients = only(place.gradients, direction.keys());
    const along = { point: place.point, direction, gradients };
    const scale = slopeSize(gradients, direction);
    const slopes: Slope[] = [];
    const judgement = () =>
      judge(slopes.toSorted((a, b) => b.step - a.step), { scale, loss: place.size, tolerance });
    const loss = async (point: Point) =>
      weightedLoss(await this.#forward.run(point), place.weights);
    const slope = Math.max(scale, Math.abs(slopeOf(gradients, direction)));
    for (const step of stepsFor(slope, place.size).slice(0, effort.steps)) {
      if (!hasTime()) return undefined;
      slopes.push(await slopeAlong(along, step, loss));
      if (slopes.length < SLOPES_MIN) continue;
      const sofar = judgement();
      if (isSettled(sofar, tolerance)) return sofar;
    }
    return judgement();
  }

  [Symbol.dispose](): void {
    this.#forward[Symbol.dispose]();
    this.#backward[Symbol.dispose]();
  }
}

function only(values: Point, names: Iterable<string>): Point {
  return new Map([...names].map((name) => [name, values.get(name)!]));
}

/** Orders judgements by how much they speak against a gradient. */
function excess({ verdict, relative, scatter }: Judgement): number {
  return (verdict === "differs" ? 1e3 : 0) + relative - 2 * scatter;
}
