import process from "node:process";
import type { Runtime } from "../runtime/mod.ts";
import type { OptimizerConfig, StageProgram } from "../training/mod.ts";
import type { StageObserver } from "./stage_observer.ts";
import { trainMadeUp } from "./train_made_up.ts";

/** Updates before those that count: kernels are chosen, code is compiled. */
const WARM_UP = 4;

/** What a training step of a stage takes, ms: medians over some steps. */
export interface TrainingTime {
  /** Forward, loss and backward of a micro-batch, with all that is done around them. */
  readonly step_ms: number;
  readonly update_ms: number;
  /** Processor time of both, over all threads of the process. */
  readonly core_ms: number;
}

/** What `timeTraining` times. */
export interface TimedTraining {
  readonly runtime: Runtime;
  /** A model of one stage. */
  readonly program: StageProgram;
  readonly optimizer: OptimizerConfig;
  /** Updates that count. */
  readonly updates: number;
  /** Called when the updates begin that count. */
  readonly warm?: () => void;
  /** Ends it before, with an error. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a model of one stage for a few updates on made-up data, by the code that trains in
 * earnest, and tells how long they take. The learning rate is 0: nothing is learned.
 */
export async function timeTraining(o: TimedTraining): Promise<TrainingTime> {
  const { runtime, program, optimizer } = o;
  const laps: TrainingTime[] = [];
  let begun_ms = 0;
  let stepped_ms = 0;
  let used = process.cpuUsage();
  const observer: StageObserver = {
    begun: () => void (begun_ms = performance.now()),
    loss: () => void (stepped_ms = performance.now()),
    updated: () => {
      const now_ms = performance.now();
      const { user, system } = process.cpuUsage(used);
      laps.push({
        step_ms: stepped_ms - begun_ms,
        update_ms: now_ms - stepped_ms,
        core_ms: (user + system) / 1000,
      });
      if (laps.length === WARM_UP) o.warm?.();
      used = process.cpuUsage();
      begun_ms = performance.now();
    },
  };
  const updates = WARM_UP + o.updates;
  await trainMadeUp(runtime, [{ program, observer }], {
    optimizer,
    updates,
    signal: o.signal,
  });
  const counted = laps.slice(WARM_UP);
  const median = (of: (lap: TrainingTime) => number) =>
    counted.map(of).sort((a, b) => a - b)[counted.length >> 1]!;
  return {
    step_ms: median((lap) => lap.step_ms),
    update_ms: median((lap) => lap.update_ms),
    core_ms: median((lap) => lap.core_ms),
  };
}
