import type { Calendar } from "./calendar.ts";

/**
 * How micro-batches flow through the stages.
 *
 * - `async`: one-forward-one-backward without a flush (PipeDream, Harlap et al. 2018): a stage
 *   updates as soon as a gradient is there and keeps the weights of micro-batches that are still
 *   under way.
 * - `gpipe`: all forwards of a batch, then all backwards, then the update (Huang et al. 2019).
 * - `1f1b`: as gpipe, but a backward goes first as soon as it can (PipeDream-Flush).
 */
export type Schedule = "async" | "gpipe" | "1f1b";

/** One thing a stage does. `step` is forward, loss and backward in one, on the last stage. */
export type Operation =
  | { readonly type: "forward"; readonly microBatch: number }
  | { readonly type: "backward"; readonly microBatch: number }
  | { readonly type: "step"; readonly microBatch: number }
  /** Measures the gradients of an update that is due, and tells the other stages. */
  | { readonly type: "norm"; readonly update: number }
  | { readonly type: "update"; readonly update: number }
  /** Begins to average the weights that `update` made with the other clusters. */
  | { readonly type: "reduce"; readonly update: number }
  /** Takes over the average that was begun last, once it is there. */
  | { readonly type: "adopt"; readonly update: number };

/** A stage's position and the bound on micro-batches under way. */
export interface StagePosition {
  readonly schedule: Schedule;
  readonly stage: number;
  readonly stages: number;
  /** Micro-batches that the root lets under way at most; ignored by the synchronous schedules. */
  readonly inFlight: number;
  /** Whether each update needs the norm of all stages' gradients; not under `async`. */
  readonly norms?: boolean;
}

/**
 * Micro-batches that a stage has forwarded and not yet brought back, at most: in-flight depth minus
 * the stages before it, and one on the last stage.
 */
export function outstanding(position: StagePosition, microBatches: number): number {
  const { schedule, stage, stages, inFlight } = position;
  if (stage === stages - 1) return 1;
  switch (schedule) {
    case "async":
      return Math.max(1, inFlight - stage);
    case "gpipe":
      return microBatches;
    case "1f1b":
      return Math.min(microBatches, stages - stage);
  }
}

/**
 * Everything a stage does in a run, in order. The order depends on nothing but the arguments: so an
 * asynchronous run gives the same numbers every time, however the messages are timed.
 */
export function* operations(position: StagePosition, calendar: Calendar): Generator<Operation> {
  let first = 0;
  for (
    let version = calendar.nextBarrier(0);
    version !== undefined;
    version = calendar.nextBarrier(version)
  ) {
    const end = firstMicroBatch(calendar, version);
    yield* flow(position, calendar, first, end);
    first = end;
    yield { type: "reduce", update: version - 1 };
    yield { type: "adopt", update: version - 1 };
  }
  yield* flow(position, calendar, first, calendar.microBatches);
}

/** The first micro-batch of an update, or the number of micro-batches behind the last one. */
function firstMicroBatch(calendar: Calendar, update: number): number {
  if (update >= calendar.updates) return calendar.microBatches;
  let [low, high] = [0, calendar.microBatches];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (calendar.place(middle).update < update) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Micro-batches `first` to `end`, which is excluded, from an empty pipeline to an empty one. */
function* flow(
  position: StagePosition,
  calendar: Calendar,
  first: number,
  end: number,
): Generator<Operation> {
  if (position.schedule === "async") {
    const window = outstanding(position, calendar.shape.micro_batches);
    yield* interleave(position, calendar, first, end - first, window);
    return;
  }
  while (first < end) {
    const { epoch, batch } = calendar.place(first);
    const parts = calendar.partsOf(epoch * calendar.batchesPerEpoch + batch);
    yield* interleave(position, calendar, first, parts, outstanding(position, parts));
    first += parts;
  }
}

/**
 * `count` micro-batches from `first`: `window` forwards, then a backward and a forward by turns.
 */
function* interleave(
  position: StagePosition,
  calendar: Calendar,
  first: number,
  count: number,
  window: number,
): Generator<Operation> {
  const last = position.stage === position.stages - 1;
  if (!last) {
    for (let m = first; m < first + Math.min(window, count); m++) {
      yield { type: "forward", microBatch: m };
    }
  }
  for (let m = first; m < first + count; m++) {
    yield { type: last ? "step" : "backward", microBatch: m };
    const { closesUpdate, update } = calendar.place(m);
    if (closesUpdate && position.norms === true) yield { type: "norm", update };
    if (closesUpdate) {
      yield { type: "update", update };
      yield* averagesAt(calendar, update);
    }
    if (!last && m + window < first + count) yield { type: "forward", microBatch: m + window };
  }
}

/** What becomes of averages that go on beside the training, once `update` is made. */
function* averagesAt(calendar: Calendar, update: number): Generator<Operation> {
  const version = update + 1;
  if (calendar.isBarrier(version)) return;
  if (calendar.adopts(version) !== undefined) yield { type: "adopt", update };
  if (calendar.reduces(version)) yield { type: "reduce", update };
}
