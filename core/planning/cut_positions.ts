import { RavnError } from "../error.ts";
import type { Workload } from "./workload.ts";

/** Operators of which the runtime makes one kernel, with the activation that alone reads them. */
const FUSED = new Set(["Conv", "Gemm"]);
const ACTIVATIONS = new Set(["Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid"]);

/** True where operator p and the one before it become one kernel. */
function isFused({ operators, values }: Workload, p: number): boolean {
  const before = operators[p - 1], after = operators[p];
  if (before === undefined || after === undefined) return false;
  if (!FUSED.has(before.op) || !ACTIVATIONS.has(after.op)) return false;
  return before.writes.some((name) => values.get(name)!.readers.join() === String(p));
}

/**
 * Positions at which a model may be cut: p means before operator p. Both ends are among them. The
 * readers of a parameter or of a running statistic are never parted, since each has one home: of a
 * shared parameter the others read a value (`withSharedParameters` of the training room). Nor are a
 * layer and its activation, which cost less as one kernel than their times say, and whose results
 * are equally large.
 */
export function cutPositions(workload: Workload): number[] {
  const count = workload.operators.length;
  const held = new Uint8Array(count + 1);
  for (const { readers } of [...workload.parameters.values(), ...workload.buffers.values()]) {
    for (let p = readers[0]! + 1; p <= readers.at(-1)!; p++) held[p] = 1;
  }
  return Array.from({ length: count + 1 }, (_, p) => p)
    .filter((p) => held[p] === 0 && !isFused(workload, p));
}

/** Trainable parameters that are read first before each position. */
function trainedBefore(workload: Workload): Int32Array {
  const sums = new Int32Array(workload.operators.length + 1);
  for (const { readers } of workload.parameters.values()) sums[readers[0]! + 1]!++;
  for (let p = 1; p < sums.length; p++) sums[p]! += sums[p - 1]!;
  return sums;
}

/** The largest number of stages, each with a trainable parameter; 0 where the model has none. */
export function stageCountMax(workload: Workload): number {
  const trained = trainedBefore(workload);
  let stages = 0;
  let border = 0;
  for (const p of cutPositions(workload)) {
    if (trained[p]! === trained[border]!) continue;
    stages++;
    border = p;
  }
  return stages;
}

/**
 * @throws {RavnError} where a model cannot be cut into so many stages, with the reason
 */
export function checkStageCount(workload: Workload, stages: number): void {
  const most = stageCountMax(workload);
  if (stages <= most) return;
  if (most === 0) {
    throw new RavnError("the model has no trainable parameter: there is nothing to train");
  }
  const tied = [...workload.parameters.values()]
    .filter(({ readers }) => readers.at(-1)! - readers[0]! > 1);
  const why = tied.length === 0
    ? "every stage needs a trainable parameter"
    : `every stage needs a trainable parameter, and the operators that share ` +
      `"${tied[0]!.name}" must stay together`;
  throw new RavnError(
    `the model cannot be cut into ${stages} stages, only into ${most}: ${why}; ` +
      `use at most ${most} nodes in a cluster`,
  );
}

/** Bytes of the values that cross each position. */
function crossingBytes(workload: Workload): Float64Array {
  const changes = new Float64Array(workload.operators.length + 2);
  for (const { producer, readers, bytes } of workload.values.values()) {
    if (readers.length === 0) continue;
    changes[producer + 1]! += bytes;
    changes[readers.at(-1)! + 1]! -= bytes;
  }
  for (let p = 1; p < changes.length; p++) changes[p]! += changes[p - 1]!;
  return changes;
}

/**
 * At most `limit` of the cut positions (and the ends), for quick estimates. Of more there are:
 * between two operators with parameters the one that the fewest bytes cross; of too many those that
 * part the time evenly.
 */
export function coarsePositions(workload: Workload, limit: number): number[] {
  const all = cutPositions(workload);
  if (all.length <= limit + 2) return all;
  const trained = trainedBefore(workload);
  const crossing = crossingBytes(workload);
  const count = workload.operators.length;
  const bestOf = new Map<number, number>();
  for (const p of all) {
    const before = trained[p]!;
    if (before === 0 || before === trained[count]!) continue;
    const known = bestOf.get(before);
    if (known === undefined || crossing[p]! < crossing[known]!) bestOf.set(before, p);
  }
  const inner = [...bestOf.values()];
  if (inner.length <= limit) return [0, ...inner, count];
  const elapsed = new Float64Array(count + 1);
  workload.operators.forEach(({ forward_ms, backward_ms }, i) => {
    elapsed[i + 1] = elapsed[i]! + forward_ms + backward_ms;
  });
  const chosen = new Set<number>();
  let at = 0;
  for (let part = 1; part <= limit; part++) {
    const wanted = (elapsed[count]! * part) / (limit + 1);
    const left = limit - part;
    while (at < inner.length - 1 - left && elapsed[inner[at]!]! < wanted) at++;
    chosen.add(inner[at]!);
    if (at < inner.length - 1) at++;
  }
  return [0, ...chosen, count];
}
