import { Random } from "../../random.ts";
import type { Tensor } from "../../onnx/tensor.ts";

/** Label of a place where nothing is to be guessed, as in minGPT. */
export const IGNORED = -1;
/** One sequence of so many is kept for validation. */
const VALIDATION_ONE_IN = 4;

/** What is to be sorted. */
export interface SorterOptions {
  /** Numbers of a sequence. */
  readonly length: number;
  /** Numbers are 0 to `classes` − 1. */
  readonly classes: number;
  readonly samples: number;
  readonly seed: number;
  /** Sequences of the two parts are never the same. */
  readonly part: "train" | "validation";
}

/** int64 tokens [samples, 2·length − 1] and, for each, the next one. */
export interface SorterSamples {
  readonly inputs: Tensor;
  readonly labels: Tensor;
}

/** Which part a sequence belongs to: by a hash of its numbers, so that both know without a list. */
function isValidation(sequence: readonly number[]): boolean {
  return new Random(0).fork(sequence.join()).integer(VALIDATION_ONE_IN) === 0;
}

/**
 * Sequences of random numbers followed by the same numbers sorted, without the last: a model that
 * reads them sees the next number as its label, and {@link IGNORED} while it reads what is to be
 * sorted. The task of `demo.ipynb` in A. Karpathy's minGPT.
 */
export function sorterSamples(o: SorterOptions): SorterSamples {
  const { length, classes, samples, seed, part } = o;
  const random = new Random(seed).fork("sorter").fork(part);
  const width = 2 * length - 1;
  const [inputs, labels] = [new BigInt64Array(samples * width), new BigInt64Array(samples * width)];
  for (let sample = 0; sample < samples;) {
    const sequence = Array.from({ length }, () => random.integer(classes));
    if (isValidation(sequence) !== (part === "validation")) continue;
    const both = [...sequence, ...sequence.toSorted((a, b) => a - b)];
    for (let i = 0; i < width; i++) {
      inputs[sample * width + i] = BigInt(both[i]!);
      labels[sample * width + i] = BigInt(i < length - 1 ? IGNORED : both[i + 1]!);
    }
    sample += 1;
  }
  const tensor = (values: BigInt64Array<ArrayBuffer>): Tensor => ({
    dtype: "int64",
    dims: [samples, width],
    bytes: new Uint8Array(values.buffer),
  });
  return { inputs: tensor(inputs), labels: tensor(labels) };
}
