import { RangeLoad } from "../ranges.ts";
import type { ValueCost, Workload } from "../workload.ts";

/** Every chain of `stages` ranges over 0 to `positions - 1`. */
export function* allPartitions(stages: number, positions: number, from = 0): Generator<number[]> {
  if (stages === 1) {
    if (from < positions - 1) yield [from, positions - 1];
    return;
  }
  for (let to = from + 1; to < positions; to++) {
    for (const rest of allPartitions(stages - 1, positions, to)) yield [from, ...rest];
  }
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  return [...items].reduce((total, item) => total + of(item), 0);
}

/** The load of operators start to end - 1, by its definition. */
export function loadOf(workload: Workload, start: number, end: number): RangeLoad {
  const operators = workload.operators.slice(start, end);
  const values = [...workload.values.values()];
  const inside = (i: number) => i >= start && i < end;
  const made = (v: ValueCost) => inside(v.producer) || (v.producer < 0 && start === 0);
  const entering = values.filter((v) => v.producer < start && v.readers.some(inside));
  const leaving = values.filter((v) => made(v) && v.readers.some((i) => i >= end));
  const parameters = [...workload.parameters.values()].filter((p) => inside(p.readers[0]!));
  const stashed = new Set(operators.flatMap((operator) => operator.stash));
  const bytes = (name: string) => workload.values.get(name)!.bytes;
  const received = start === 0 ? [] : entering;
  return Object.assign(new RangeLoad(), {
    forward_ms: sum(operators, (o) => o.forward_ms),
    backward_ms: sum(operators, (o) => o.backward_ms),
    parameter_count: sum(parameters, (p) => p.elements),
    parameters: sum(parameters, (p) => p.bytes),
    buffers: sum(operators, (o) => o.constant_bytes),
    inputs: sum(entering, (v) => v.bytes),
    stash: sum(stashed, bytes) + sum(operators, (o) => o.stash_bytes),
    gradient_stash: sum(
      operators.filter((o) => o.parameters.length > 0 && !/Normalization$/.test(o.op)),
      (o) => sum(o.writes, bytes),
    ),
    working: Math.max(...operators.map((o) => 2 * sum([...o.reads, ...o.writes], bytes))),
    received: sum(received, (v) => v.bytes),
    gradients_sent: sum(received.filter((v) => v.gradient), (v) => v.bytes),
    sent: sum(leaving, (v) => v.bytes),
    gradients_received: sum(leaving.filter((v) => v.gradient), (v) => v.bytes),
  });
}
