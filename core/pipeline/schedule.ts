import type { Calendar } from "./calendar.ts";

/**
 * How micro-batches flow through the stages.
 *
 * - `async`: one-forward-one-backward without a flush (PipeDream, Harlap et al. 2018): a stage
 *   updates as soon as a gradient is there and keeps the weights of micro-batches that are still
 *   under way.
 * - `gpipe`: all forwards of a batch, then all backwards, then the update (Huang et al. 2019).
 * - `1f1b`: as gpipe, but a backward goes first as soon as it can (PipeDream-Flush).
 * - `zb`: as 1f1b, but a backward makes only the gradients that go back; those of the weights come
 *   later, where the stage would wait (Qi et al. 2023, Zero Bubble Pipeline Parallelism, ZB-H1).
 *   With times F, B and W of the three and p stages, m ≥ p micro-batches of a batch take
 *   m(F + B + W) + (p − 1)(F + B − W), against m(F + B + W) + (p − 1)(F + B + W) under 1f1b.
 */
export type Schedule = "async" | "gpipe" | "1f1b" | "zb";

/** All schedules, as a configuration names them. */
export const SCHEDULES = ["async", "gpipe", "1f1b", "zb"] as const satisfies readonly Schedule[];

/** One thing a stage does. `step` is forward, loss and backward in one, on the last stage. */
export type Operation =
  | { readonly type: "forward"; readonly microBatch: number }
  /** All gradients; where the schedule puts those of the weights off, only those that go back. */
  | { readonly type: "backward"; readonly microBatch: number }
  | { readonly type: "step"; readonly microBatch: number }
  /** The gradients of the weights, where backward or step left them out. */
  | { readonly type: "weights"; readonly microBatch: number }
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
 * Micro-batches that a stage has forwarded and not yet brought back, at most. Under `async` one
 * less from stage to stage; where more are in flight than there are stages the rest is spread
 * evenly, so that it hides the time that messages take on every link. One on the last stage.
 */
export function outstanding(position: StagePosition, microBatches: number): number {
  const { schedule, stage, stages, inFlight } = position;
  if (stage === stages - 1) return 1;
  switch (schedule) {
    case "async":
      return Math.max(1, inFlight - Math.ceil(stage * Math.max(1, (inFlight - 1) / (stages - 1))));
    case "gpipe":
      return microBatches;
    case "1f1b":
    case "zb":
      return Math.min(microBatches, stages - stage);
  }
}

/** Whether gradients of weights are operations of their own; one stage alone waits for nothing. */
export function splitsBackward(
  { schedule, stages }: Pick<StagePosition, "schedule" | "stages">,
): boolean {
  return schedule === "zb" && stages > 1;
}

/**
 * Micro-batches that wait for the gradients of their weights when a stage's next backward begins,
 * at most. Stage s puts them off by s micro-batches: together with what is outstanding each stage
 * keeps the activations of as many micro-batches as stage 0 does, under 1f1b too.
 */
export function deferred(position: StagePosition, microBatches: number): number {
  return splitsBackward(position) ? Math.min(position.stage, microBatches - 1) : 0;
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
    yield* interleave(position, calendar, first, end - first, calendar.shape.micro_batches);
    return;
  }
  while (first < end) {
    const { epoch, batch } = calendar.place(first);
    const parts = calendar.partsOf(epoch * calendar.batchesPerEpoch + batch);
    yield* interleave(position, calendar, first, parts, parts);
    first += parts;
  }
}

/**
 * `count` micro-batches from `first`: some forwards, then a backward and a forward by turns.
 *
 * @param parts micro-batches of a batch
 */
function* interleave(
  position: StagePosition,
  calendar: Calendar,
  first: number,
  count: number,
  parts: number,
): Generator<Operation> {
  const last = position.stage === position.stages - 1;
  const window = outstanding(position, parts);
  const end = first + count;
  if (!last) {
    for (let m = first; m < Math.min(first + window, end); m++) {
      yield { type: "forward", microBatch: m };
    }
  }
  for (let m = first; m < end; m++) {
    yield { type: last ? "step" : "backward", microBatch: m };
    if (splitsBackward(position)) yield* weightsAfter(m, first, end, deferred(position, parts));
    const { closesUpdate, update } = calendar.place(m);
    if (closesUpdate && position.norms === true) yield { type: "norm", update };
    if (closesUpdate) {
      yield { type: "update", update };
      yield* averagesAt(calendar, update);
    }
    if (!last && m + window < end) yield { type: "forward", microBatch: m + window };
  }
}

/**
 * The gradients of weights that follow backward `m` of those from `first` to `end`, which is
 * excluded: those of `lag` micro-batches before, and at the end all that were put off.
 */
function* weightsAfter(m: number, first: number, end: number, lag: number): Generator<Operation> {
  const until = m === end - 1 ? m : m - lag;
  for (let w = Math.max(first, m - lag); w <= until; w++) yield { type: "weights", microBatch: w };
}

/** What becomes of averages that go on beside the training, once `update` is made. */
function* averagesAt(calendar: Calendar, update: number): Generator<Operation> {
  const version = update + 1;
  if (calendar.isBarrier(version)) return;
  if (calendar.adopts(version) !== undefined) yield { type: "adopt", update };
  if (calendar.reduces(version)) yield { type: "reduce", update };
}
