import type { Graph } from "../onnx/mod.ts";
import type { StageTask } from "../pipeline/mod.ts";
import type { OperatorTimes } from "../planning/mod.ts";
import type { Runtime } from "../runtime/mod.ts";
import type { OptimizerConfig, StageProgram } from "../training/mod.ts";
import { openLoopback } from "./loopback.ts";
import { trainMadeUp } from "./train_made_up.ts";

/** Operations of each kind before those that count. */
const WARM_UP = 4;

/** What `timeCut` times. */
export interface TimedCut {
  readonly runtime: Runtime;
  /** A model in two stages. */
  readonly programs: readonly StageProgram[];
  readonly optimizer: OptimizerConfig;
  /** Updates that count. */
  readonly updates: number;
}

/** The nodes of a graph in two parts that take about equally long; undefined where there is one. */
export function halves(graph: Graph, times: OperatorTimes): string[][] | undefined {
  const names = graph.nodes.map(({ name }) => name);
  const sums: number[] = [];
  for (const name of names) {
    const { forward_ms = 0, backward_ms = 0 } = times.get(name) ?? {};
    sums.push((sums.at(-1) ?? 0) + forward_ms + backward_ms);
  }
  if (names.length < 2) return undefined;
  const reached = sums.findIndex((sum) => sum >= sums.at(-1)! / 2);
  const cut = Math.min(reached + 1, names.length - 1);
  return [names.slice(0, cut), names.slice(cut)];
}

/**
 * Time of a step in two stages that never compute at the same time, ms: all of their operations but
 * the updates, medians. They share a thread, and made-up data crosses a link of this process.
 */
export async function timeCut(o: TimedCut): Promise<number> {
  const { runtime, programs: [first, last], optimizer } = o;
  await using ends = await openLoopback("calibration");
  const times = new Map<string, number[]>();
  const observer = (stage: number) => ({
    ran: ({ type }: StageTask, begin_ms: number, end_ms: number) => {
      const key = `${type} of ${stage}`;
      const known = times.get(key) ?? [];
      if (type !== "update") times.set(key, known);
      known.push(end_ms - begin_ms);
    },
  });
  const stages = [
    { program: first!, observer: observer(0), links: new Map([[1, ends.outward]]) },
    { program: last!, observer: observer(1), links: new Map([[0, ends.inward]]) },
  ];
  await trainMadeUp(runtime, stages, { optimizer, updates: WARM_UP + o.updates });
  return [...times.values()].reduce((sum, laps) => {
    const counted = laps.slice(WARM_UP).sort((a, b) => a - b);
    return sum + counted[counted.length >> 1]!;
  }, 0);
}
