import {
  forwardGraph,
  judge,
  lossSize,
  lossWeights,
  movedPoint,
  randomDirection,
  slopeAlong,
  slopeSize,
  steepestDirection,
  STEPS,
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
  /** Steps of the finite differences, falling. */
  readonly steps: readonly number[];
  /** Places that are asked where the first one shows a difference; the median decides. */
  readonly places: number;
}

/** The usual effort, and the one for models whose runs take long. */
export const EFFORTS: Readonly<Record<"full" | "less", Effort>> = {
  full: { steps: STEPS, places: 5 },
  less: { steps: STEPS.filter((_, i) => i % 2 === 0), places: 3 },
};

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
   */
  async judged(names: readonly string[], relative = false): Promise<Judgement> {
    const { random } = this.#o;
    const judgement = await this.#judged(
      ({ point }) => randomDirection(point, names, random, relative),
      relative,
    );
    return judgement.verdict === "unclear" && !relative
      ? await this.judgedSteepest(names)
      : judgement;
  }

  /** Judges the gradient along the direction in which L rises fastest. */
  async judgedSteepest(names: readonly string[]): Promise<Judgement> {
    return await this.#judged(
      ({ point, gradients }) => steepestDirection(point, only(gradients, names)),
      false,
    );
  }

  /**
   * Where there is a difference the median of several places counts: a kink that lies close to one
   * is not close to the others.
   */
  async #judged(direction: (at: Place) => Direction, relative: boolean): Promise<Judgement> {
    const first = await this.#along(this.#place, direction(this.#place));
    if (first.verdict !== "differs") return first;
    const judgements = [first];
    while (judgements.length < this.#o.effort.places) {
      const place = await this.#elsewhere(relative);
      judgements.push(await this.#along(place, direction(place)));
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
    const found = [...gradients].map(([value, name]) => [value, results.get(name)!] as const);
    return { point, weights, size: lossSize(values, weights), gradients: new Map(found) };
  }

  async #elsewhere(relative: boolean): Promise<Place> {
    const { point, wrt, random } = this.#o;
    return await this.#at(movedPoint(point, randomDirection(point, wrt, random, relative), APART));
  }

  async #along(place: Place, direction: Direction): Promise<Judgement> {
    const gradients = only(place.gradients, direction.keys());
    const along = { point: place.point, direction, gradients };
    const slopes: Slope[] = [];
    for (const step of this.#o.effort.steps) {
      slopes.push(
        await slopeAlong(along, step, async (point) => {
          const values = await this.#forward.run(point);
          return weightedLoss(values, place.weights);
        }),
      );
    }
    const scale = slopeSize(gradients, direction);
    return judge(slopes, { scale, loss: place.size, tolerance: this.#o.tolerance });
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
