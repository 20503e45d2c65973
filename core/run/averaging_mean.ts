import type { OuterConfig } from "../collective/mod.ts";
import { blend, scale, sgd } from "../runtime/mod.ts";
import type { PieceMemory } from "./averaging_memory.ts";

/**
 * What clusters send of their values, and what they make of the sum. Arrays hold all numbers of a
 * node; all lie in one slab of an arena.
 */
export interface MeanRule {
  /** values ← this node's share of the sum, which counts for `weight` of it. */
  share(values: Float32Array, weight: number): void;
  /**
   * The new values of all clusters, from the sum of their shares; to be read at once.
   *
   * @param cutShort whether the clusters have made fewer updates than in other rounds
   */
  take(sum: Float32Array, cutShort: boolean): Float32Array;
}

/** The mean of the values themselves: each cluster sends w·θ. */
export const PLAIN_MEAN: MeanRule = {
  share: (values, weight) => scale(values, weight),
  take: (sum) => sum,
};

const TO_THE_MEAN = { lr: 1, momentum: 0 };

/**
 * Clusters send how far they moved from the point where they were equal last, w·(θ − θᵢ), and an
 * outer optimizer moves that point by the sum (see {@linkcode OuterConfig}). After a round that was
 * cut short, as the last one of a run may be, it is moved to the mean: the momentum of longer
 * rounds would carry it past. Whatever is exact (not a parameter) is averaged by itself.
 */
export class OuterMean implements MeanRule {
  readonly #config: OuterConfig;
  readonly #memory: Pick<PieceMemory, "parameters" | "exact">;
  readonly #common: Float32Array;
  readonly #velocity: Float32Array;

  /**
   * @param memory which numbers are parameters, and which exact
   * @param common where all clusters begin
   * @param velocity zeros
   */
  constructor(
    config: OuterConfig,
    memory: Pick<PieceMemory, "parameters" | "exact">,
    common: Float32Array,
    velocity: Float32Array,
  ) {
    this.#config = config;
    this.#memory = memory;
    this.#common = common;
    this.#velocity = velocity;
  }

  share(values: Float32Array, weight: number): void {
    const [moved, exact] = this.#split(values);
    blend(moved, this.#split(this.#common)[0], -weight, weight);
    scale(exact, weight);
  }

  take(sum: Float32Array, cutShort: boolean): Float32Array {
    const [moved, mean] = this.#split(sum);
    const [common, exact] = this.#split(this.#common);
    const { type } = this.#config;
    const { lr, momentum } = type === "none" || cutShort ? TO_THE_MEAN : this.#config;
    const velocity = momentum === 0 ? undefined : this.#split(this.#velocity)[0];
    const nesterov = type === "nesterov" && momentum > 0;
    const update = { lr, momentum, nesterov, dampening: 0, weightDecay: 0, first: false };
    sgd(common, common, moved, velocity, update);
    exact.set(mean);
    return this.#common;
  }

  #split(array: Float32Array): [parameters: Float32Array, exact: Float32Array] {
    const { parameters, exact } = this.#memory;
    return [array.subarray(0, parameters), array.subarray(exact)];
  }
}
