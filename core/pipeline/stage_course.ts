import type { Calendar } from "./calendar.ts";
import { EvaluationMachine } from "./evaluation.ts";
import type { EvaluationStep } from "./evaluation.ts";
import { operations } from "./schedule.ts";
import type { Operation, StagePosition } from "./schedule.ts";
import { StageMachine } from "./stage_machine.ts";
import type { Awaited, Neighbours } from "./stage_machine.ts";

/** Validation batches that a stage may be ahead of the next one. */
export const VALIDATION_WINDOW = 2;

/** What a stage runs: an operation of its schedule, or a batch of a validation. */
export type StageTask = Operation | ({ readonly type: "validate" } & EvaluationStep);

/** What decides the course of a stage. */
export interface CourseOptions {
  readonly position: StagePosition;
  readonly neighbours: Neighbours;
  readonly calendar: Calendar;
  /** Whether the norm of an update's gradients is known, where it is needed. */
  readonly knowsNorm: (update: number) => boolean;
  /** Whether the average that was begun last is complete. */
  readonly mayAdopt: () => boolean;
}

/**
 * All that a stage does in a run, one task at a time: the operations of its schedule and the
 * batches of validations, by turns where both could go on. It knows no clock, socket or tensor.
 */
export class StageCourse {
  readonly evaluation: EvaluationMachine;
  readonly #machine: StageMachine;
  readonly #knowsNorm: (update: number) => boolean;
  #turn: "train" | "validate" = "train";

  constructor({ position, neighbours, calendar, knowsNorm, mayAdopt }: CourseOptions) {
    this.#knowsNorm = knowsNorm;
    this.evaluation = new EvaluationMachine({
      ...neighbours,
      batches: calendar.validationBatches,
      window: VALIDATION_WINDOW,
    });
    const validated = new Set(calendar.validations);
    // A version that is to be validated is not made while an older one still is.
    const mayUpdate = (update: number) =>
      (this.evaluation.pending === 0 || !validated.has(update + 1)) && knowsNorm(update);
    const order = operations(position, calendar);
    this.#machine = new StageMachine(order, neighbours, mayUpdate, mayAdopt);
  }

  /** The task to run now, or undefined while it waits, or is finished. */
  next(): StageTask | undefined {
    const operation = this.#machine.next();
    const step = this.evaluation.next();
    if (operation !== undefined && (this.#turn === "train" || step === undefined)) return operation;
    return step && { type: "validate", ...step };
  }

  /**
   * The task that `next` gave is done; `evaluation` is told of a validation batch by who ran it.
   */
  completed({ type }: StageTask): void {
    this.#turn = type === "validate" ? "train" : "validate";
    if (type !== "validate") this.#machine.completed();
  }

  /** True when everything is done. */
  get finished(): boolean {
    return this.#machine.finished && this.evaluation.pending === 0;
  }

  /** A micro-batch's activations or gradients arrived from stage `from`: see `StageMachine`. */
  arrived(kind: "forward" | "backward", microBatch: number, from: number): void {
    this.#machine.arrived(kind, microBatch, from);
  }

  /** Whether an average is to be taken over next, complete or not. */
  get adopts(): boolean {
    return this.#machine.adopts;
  }

  /** The message it waits for; undefined where it waits for none. */
  get awaits(): Awaited | undefined {
    return this.#machine.awaits ?? this.evaluation.awaits;
  }

  /** The update whose norm it waits for; undefined where it waits for none. */
  get awaitsNorm(): number | undefined {
    const { nextUpdate } = this.#machine;
    return nextUpdate === undefined || this.#knowsNorm(nextUpdate) ? undefined : nextUpdate;
  }

  /** What it waits for, in words; an average has words of its own. */
  get expected(): string {
    const { awaits, awaitsNorm } = this;
    if (this.adopts) return "the average of the weights";
    if (awaits !== undefined) {
      return `${awaits.kind} ${awaits.microBatch} from stage ${awaits.stage}`;
    }
    if (awaitsNorm !== undefined) return `the norm of the gradients of update ${awaitsNorm + 1}`;
    return "the end of the run";
  }
}
