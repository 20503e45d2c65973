/** Which labels count in a mean, and how much. */
export interface Counts {
  /** A class index that does not count. */
  readonly ignored?: number | undefined;
  /** Weight of each class; 1 if absent. */
  readonly weights?: readonly number[] | undefined;
}

/** The sum of the weights of `labels[begin, end)`: what a class loss is divided by. */
export function countLabels(
  labels: BigInt64Array,
  begin: number,
  end: number,
  { ignored, weights }: Counts,
): number {
  let sum = 0;
  for (let i = begin; i < end; i++) {
    const label = Number(labels[i]);
    if (label !== ignored) sum += weights?.[label] ?? 1;
  }
  return sum;
}
