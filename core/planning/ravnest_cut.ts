import { RavnError } from "../error.ts";
import { cutPositions } from "./cut_positions.ts";
import type { Workload } from "./workload.ts";

/**
 * Share of each stage but the last: 1/n rounded to one decimal, half to even. As doubles only 1/4
 * lies exactly between two tenths; `toFixed` would round it up.
 */
function shareOf(stages: number): number {
  return stages === 4 ? 0.2 : Number((1 / stages).toFixed(1));
}

/**
 * Cuts as Ravnest's `clusterize` did: equal shares of the elements of parameters and running
 * statistics, filled in order with whole operators, by parameters alone. An operator that does not
 * fit begins the next stage; one too large for an empty stage has it to itself.
 *
 * @returns operator index at which each stage begins, and the number of operators
 * @throws {RavnError} where the shares give fewer stages than asked for
 */
export function ravnestCut(workload: Workload, stages: number): number[] {
  const { parameters, buffers, operators } = workload;
  const sizes = [...parameters.values(), ...buffers.values()].map(({ elements }) => elements);
  const threshold = Math.trunc(shareOf(stages) * sizes.reduce((sum, size) => sum + size, 0));
  const begins = [0];
  let filled = 0;
  let isFull = false;
  operators.forEach((operator, index) => {
    if (operator.parameters.length === 0 || begins.length === stages) return;
    const size = operator.parameters.reduce((sum, p) => sum + parameters.get(p)!.elements, 0);
    if (isFull || (filled > 0 && filled + size > threshold)) {
      begins.push(index);
      filled = 0;
    }
    filled += size;
    // Only an operator that came into an empty stage can exceed its share: a cut follows it.
    isFull = filled > threshold;
  });
  if (begins.length < stages) {
    throw new RavnError(
      `the shares of "split: ravnest" give ${begins.length} stages where ${stages} are wanted: ` +
        `use fewer nodes in a cluster, or "split: time"`,
    );
  }
  const allowed = new Set(cutPositions(workload));
  const parted = begins.find((index) => !allowed.has(index));
  if (parted !== undefined) {
    throw new RavnError(
      `the shares of "split: ravnest" would cut before "${operators[parted]!.name}", between ` +
        `operators that share a parameter: use "split: time"`,
    );
  }
  return [...begins, operators.length];
}
