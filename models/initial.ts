import type { Random } from "../core/random.ts";

/** Fills a new parameter with its initial values. */
export type Initial = (values: Float32Array, random: Random) => void;

/** Evenly spread over (-bound, bound). */
export function uniform(bound: number): Initial {
  return (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = (2 * random.uniform() - 1) * bound;
  };
}

/** From the normal distribution of mean 0. */
export function normal(deviation: number): Initial {
  return (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = random.normal() * deviation;
  };
}

/** The same number everywhere. */
export function constant(value: number): Initial {
  return (values) => void values.fill(value);
}

/**
 * PyTorch's default for Linear and Conv: kaiming_uniform with a = √5, the bound of which is
 * √(6 / ((1 + a²)·fan_in)), hence U(-1/√fan_in, 1/√fan_in) for weight and bias alike.
 */
export function byFanIn(fanIn: number): Initial {
  return uniform(1 / Math.sqrt(fanIn));
}

/** He's initialisation for ReLU by the width of the output, N(0, 2 / fan_out) (He et al. 2015). */
export function byFanOut(fanOut: number): Initial {
  return normal(Math.sqrt(2 / fanOut));
}
