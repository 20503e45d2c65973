/**
 * Seeded random numbers: xoshiro128** 1.1 (D. Blackman, S. Vigna, "Scrambled linear pseudorandom
 * number generators", ACM TOMS 47(4), 2021) with its state filled by splitmix32.
 *
 * Everything random in a run comes from here, so that a seed says all about it.
 */

const TWO_PI = 2 * Math.PI;

/** Finalizer of MurmurHash3 (32 bit): every bit of the input reaches every bit of the result. */
function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

/** Hash of a text's UTF-16 units, started at `start`. */
function hash(text: string, start: number): number {
  let word = mix(start ^ text.length);
  for (let i = 0; i < text.length; i++) {
    word = mix((Math.imul(word, 5) + 0xe6546b64) ^ text.charCodeAt(i));
  }
  return word;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Advances `state`, four 32-bit words that are not all zero, and returns the next 32 bits. */
export function xoshiro128(state: Uint32Array): number {
  const s1 = state[1]!;
  const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
  state[2]! ^= state[0]!;
  state[3]! ^= s1;
  state[1]! ^= state[2]!;
  state[0]! ^= state[3]!;
  state[2]! ^= s1 << 9;
  state[3] = rotateLeft(state[3]!, 11);
  return result;
}

/**
 * A stream of random numbers that depends on its seed alone.
 *
 * `fork` gives independent streams by name. A fork depends on the seed and the labels on the way to
 * it, not on how much has been drawn from its parent, so the order of use does not matter.
 */
export class Random {
  readonly #low: number;
  readonly #high: number;
  readonly #state = new Uint32Array(4);
  #spareNormal: number | undefined;

  /** @param seed an integer, exact to 2^53; it may be negative. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed is an integer, got ${seed}`);
    this.#low = seed >>> 0;
    this.#high = Math.floor(seed / 2 ** 32) >>> 0;
    const salt = mix(this.#high);
    for (let i = 0; i < 4; i++) {
      this.#state[i] = mix((this.#low + Math.imul(i + 1, 0x9e3779b9)) ^ salt);
    }
    // The all-zero state is the one from which xoshiro never moves.
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** An integer of 32 random bits, 0 to 2^32 - 1. */
  next(): number {
    return xoshiro128(this.#state);
  }

  /** A number in [0, 1), uniform over the multiples of 2^-53. */
  uniform(): number {
    const high = this.next() >>> 5;
    const low = this.next() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** A number from the normal distribution with mean 0 and variance 1 (Box and Muller, 1958). */
  normal(): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return spare;
    }
    // r = sqrt(-2 ln u), u in (0, 1];  (r cos 2πv, r sin 2πv)
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = TWO_PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /**
   * An integer in [0, below), without bias: draws from the incomplete last interval are rejected.
   *
   * @param below 1 to 2^32.
   */
  integer(below: number): number {
    if (!Number.isInteger(below) || below < 1 || below > 2 ** 32) {
      throw new RangeError(`a random integer lies below 1 to 2^32, got ${below}`);
    }
    const limit = 2 ** 32 - (2 ** 32 % below);
    for (;;) {
      const word = this.next();
      if (word < limit) return word % below;
    }
  }

  /** Puts the elements of `array` into a random order, each order equally likely (Fisher-Yates). */
  shuffle<T extends { readonly length: number; [i: number]: unknown }>(array: T): void {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = array[i];
      array[i] = array[j];
      array[j] = held;
    }
  }

  /** The stream named `label` under this one; the same label gives the same stream again. */
  fork(label: string | number): Random {
    // A number and its text must name different streams.
    const text = typeof label === "number" ? `#${label}` : `"${label}`;
    const low = hash(text, mix(this.#low));
    const high = hash(text, mix(~this.#high ^ this.#low));
    return new Random((high >>> 11) * 2 ** 32 + low);
  }
}
