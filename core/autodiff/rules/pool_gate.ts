import type { Surroundings } from "../call.ts";

/**
 * Whether a Relu's gate [y > 0] is applied by the max-poolings behind it. A maximum passes its
 * gradient to the element that attained it, and that element is positive exactly if the maximum is:
 * so gating the pooled gradient by [max > 0] is the same, on a map a quarter of the size. It takes
 * that y goes nowhere else.
 */
export function gatedByPooling(y: string, around: Surroundings): boolean {
  if (around.producer(y)?.op !== "Relu" || around.exposed(y)) return false;
  const readers = around.consumers(y).filter(({ outputs }) =>
    outputs.some((output) => around.carries(output))
  );
  return readers.length > 0 &&
    readers.every(({ op, domain }) => op === "MaxPool" && domain === "");
}
