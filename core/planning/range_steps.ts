import type { ValueCost, Workload } from "./workload.ts";

/** A value that an operator reads, and where it was last needed before. */
interface Use {
  readonly bytes: number;
  readonly gradient_bytes: number;
  readonly producer: number;
  /** The reader before this one, -1 if this is the first. */
  readonly previous: number;
  readonly isLast: boolean;
}

/** An operator's part in the loads of the ranges that contain it. */
export interface Step {
  readonly uses: readonly Use[];
  /** Results that a later operator reads. */
  readonly made: readonly { readonly bytes: number; readonly gradient_bytes: number }[];
  readonly stashed: readonly { readonly bytes: number; readonly previous: number }[];
  readonly stash_bytes: number;
  readonly working: number;
}

function previousIn(sorted: readonly number[], index: number): number {
  return sorted[sorted.indexOf(index) - 1] ?? -1;
}

function gradientBytes(value: ValueCost): number {
  return value.gradient ? value.bytes : 0;
}

/** Each operator's part, in order; what they all need to know of each other is looked up once. */
export function stepsOf(workload: Workload): Step[] {
  const { operators, values } = workload;
  const stashers = new Map<string, number[]>();
  operators.forEach((operator, index) => {
    for (const name of operator.stash) {
      const list = stashers.get(name);
      if (list === undefined) stashers.set(name, [index]);
      else list.push(index);
    }
  });
  const delivered = new Map<number, string[]>();
  for (const { name, readers } of values.values()) {
    for (const index of readers) {
      const list = delivered.get(index);
      if (list === undefined) delivered.set(index, [name]);
      else list.push(name);
    }
  }
  return operators.map((operator, index) => {
    const bytesOf = (names: readonly string[]) =>
      names.reduce((sum, name) => sum + values.get(name)!.bytes, 0);
    return {
      uses: (delivered.get(index) ?? []).map((name) => {
        const value = values.get(name)!;
        return {
          bytes: value.bytes,
          gradient_bytes: gradientBytes(value),
          producer: value.producer,
          previous: previousIn(value.readers, index),
          isLast: value.readers.at(-1) === index,
        };
      }),
      made: operator.writes.map((name) => values.get(name)!)
        .filter((value) => value.readers.length > 0)
        .map((value) => ({ bytes: value.bytes, gradient_bytes: gradientBytes(value) })),
      stashed: operator.stash.map((name) => ({
        bytes: values.get(name)!.bytes,
        previous: previousIn(stashers.get(name)!, index),
      })),
      stash_bytes: operator.stash_bytes,
      // each value once, and a gradient of the same size
      working: 2 * (bytesOf(operator.reads) + bytesOf(operator.writes)),
    };
  });
}
