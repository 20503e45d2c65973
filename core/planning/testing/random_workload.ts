import type { Random } from "../../random.ts";
import type { OperatorCost, StateCost, ValueCost, Workload } from "../workload.ts";

/** An operator while its graph grows. */
interface Draft {
  reads: Set<string>;
  parameters: string[];
  stash: string[];
}

/**
 * A random model of `count` operators: skips of any length, model inputs read late, values without
 * gradient, outputs that nothing reads, some tied parameters. Times are whole numbers, so that sums
 * are exact.
 */
export function randomWorkload(random: Random, count: number): Workload {
  const values = new Map<string, { producer: number; bytes: number; gradient: boolean }>();
  const inputs = 1 + random.integer(2);
  const bytes = () => 100 * (1 + random.integer(20));
  for (let i = 0; i < inputs; i++) {
    values.set(`x${i}`, { producer: -1, bytes: bytes(), gradient: false });
  }
  const drafts: Draft[] = [];
  const parameterReaders = new Map<string, number[]>();
  for (let i = 0; i < count; i++) {
    const known = [...values.keys()];
    const reads = new Set([known.at(-1)!]);
    while (random.integer(3) === 0) reads.add(known[random.integer(known.length)]!);
    const parameters: string[] = [];
    if (random.integer(5) < 3) parameters.push(`p${i}`);
    if (i > 0 && random.integer(12) === 0 && parameterReaders.has(`p${i - 1}`)) {
      parameters.push(`p${i - 1}`);
    }
    for (const name of parameters) {
      parameterReaders.set(name, [...parameterReaders.get(name) ?? [], i]);
    }
    values.set(`v${i}`, { producer: i, bytes: bytes(), gradient: random.integer(8) > 0 });
    const stash = [...reads, `v${i}`].filter(() => random.integer(2) === 0);
    drafts.push({ reads, parameters, stash });
  }
  const readersOf = (name: string): number[] =>
    drafts.flatMap(({ reads }, i) => {
      // what the model puts out is the last operator's business
      const isOutput = i === count - 1 && name === "v0" && count > 1;
      return reads.has(name) || isOutput ? [i] : [];
    });
  const state = new Map<string, StateCost>(
    [...parameterReaders].map(([name, readers]) => {
      const elements = 1 + random.integer(200);
      return [name, { name, elements, bytes: 4 * elements, readers }];
    }),
  );
  return {
    batch: 4,
    operators: drafts.map(({ reads, parameters, stash }, i): OperatorCost => ({
      name: `op${i}`,
      op: random.integer(2) === 0 ? "Gemm" : "Relu",
      forward_ms: 1 + random.integer(9),
      backward_ms: random.integer(20),
      parameters,
      buffers: [],
      constant_bytes: random.integer(2) * 8,
      reads: [...reads],
      writes: [`v${i}`],
      stash,
      stash_bytes: random.integer(3) * 16,
    })),
    values: new Map<string, ValueCost>(
      [...values].map(([name, value]) => [name, { name, ...value, readers: readersOf(name) }]),
    ),
    parameters: state,
    buffers: new Map(),
  };
}
