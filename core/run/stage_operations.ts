import { RavnError } from "../error.ts";
import { VALIDATION_WINDOW } from "../pipeline/mod.ts";
import type { Calendar, EvaluationMachine, EvaluationStep, StageTask } from "../pipeline/mod.ts";
import type { Averaging } from "./averaging.ts";
import type { GradientClip } from "./gradient_clip.ts";
import type { StageData } from "./stage_data.ts";
import type { StageMail } from "./stage_mail.ts";
import type { StageRunOptions } from "./stage_run.ts";

/** What a stage's operations work on, once the run has begun. */
export interface StageParts {
  readonly calendar: Calendar;
  readonly evaluation: EvaluationMachine;
  readonly clip: GradientClip;
  readonly mail: StageMail;
  /** Where this stage averages with other clusters. */
  readonly averaging: Averaging | undefined;
  /** Where this stage reads data. */
  readonly data: StageData | undefined;
}

/** What is given to a stage's run and its operations use. */
export type OperationOptions = Pick<
  StageRunOptions,
  "executor" | "weights" | "versions" | "rate" | "observer"
>;

/**
 * Runs a stage's operations, one at a time: lets the executor compute, with the right version of
 * the weights, and sends on what comes out.
 */
export class StageOperations {
  readonly #o: OperationOptions;
  readonly #parts: StageParts;

  constructor(options: OperationOptions, parts: StageParts) {
    this.#o = options;
    this.#parts = parts;
  }

  /** Runs an operation of the schedule, or a batch of a validation. */
  async run(work: StageTask): Promise<void> {
    const { observer } = this.#o;
    if (observer.ran === undefined) return await this.#perform(work);
    const begin = performance.now();
    await this.#perform(work);
    observer.ran(work, begin, performance.now());
  }

  #perform(work: StageTask): Promise<void> | undefined {
    switch (work.type) {
      case "validate":
        return this.#validate(work);
      case "forward":
        return this.#forward(work.microBatch);
      case "backward":
        return this.#backward(work.microBatch);
      case "step":
        return this.#step(work.microBatch);
      case "weights":
        return this.#weights(work.microBatch);
      case "norm":
        return this.#parts.clip.contribute(work.update);
      case "update":
        return this.#update(work.update);
      case "reduce":
        return this.#parts.averaging?.contribute(this.#o.versions.buffer, work.update + 1);
      case "adopt":
        return this.#adopt(work.update + 1);
    }
  }

  async #forward(m: number): Promise<void> {
    const { executor, versions } = this.#o;
    const { calendar, data, mail } = this.#parts;
    const place = calendar.place(m);
    await data?.fill(m, place);
    await executor.forward(m, place.samples, versions.stash(m));
    mail.sendForward(m, place, versions.version);
  }

  async #backward(m: number): Promise<void> {
    const { executor, versions } = this.#o;
    const { calendar, mail } = this.#parts;
    const place = calendar.place(m);
    const { buffer, version } = versions.stashed(m);
    await mail.gradientsSent(m);
    await executor.backward(m, place.samples, buffer, this.#opensUpdate(m));
    versions.release(m);
    mail.sendBackward(m, place, version);
  }

  async #step(m: number): Promise<void> {
    const { executor, versions, observer } = this.#o;
    const { calendar, data, mail } = this.#parts;
    const place = calendar.place(m);
    await data?.fill(m, place);
    await mail.gradientsSent(m);
    const options = { scale: place.scale, first: this.#opensUpdate(m) };
    const loss = await executor.step(m, place.samples, versions.buffer, options);
    if (!Number.isFinite(loss)) {
      throw new RavnError(
        `the loss became ${loss} at update ${place.update + 1} (epoch ${place.epoch + 1}, ` +
          `batch ${place.batch + 1}): try a smaller optimizer.lr, or look for bad data`,
        { exitCode: 1 },
      );
    }
    observer.loss?.(place, loss);
    mail.sendBackward(m, place, versions.version);
  }

  /** Only synchronous schedules put weights off: none have been updated since the forward. */
  async #weights(m: number): Promise<void> {
    const { executor, versions } = this.#o;
    const { samples } = this.#parts.calendar.place(m);
    await executor.weightGradients(m, samples, versions.buffer, this.#opensUpdate(m));
  }

  /** True for the first micro-batch of an update: its gradients replace the last update's. */
  #opensUpdate(m: number): boolean {
    return m === 0 || this.#parts.calendar.place(m - 1).closesUpdate;
  }

  async #update(update: number): Promise<void> {
    const { weights, versions, rate, observer } = this.#o;
    const { calendar, clip } = this.#parts;
    const { from, to, version } = versions.advance();
    const learningRate = rate(update, calendar);
    const gradientScale = await clip.factor(update);
    await weights.update(from, to, { rate: learningRate, update, gradientScale });
    observer.updated?.(update, learningRate);
    if (calendar.adopts(version) === undefined) await this.#validateDue(version);
  }

  /** Takes an average over into the newest version, which nothing has used yet. */
  async #adopt(version: number): Promise<void> {
    const { calendar, averaging } = this.#parts;
    const isBarrier = calendar.isBarrier(version);
    await averaging?.[isBarrier ? "adopt" : "correct"](this.#o.versions.buffer);
    await this.#validateDue(version);
  }

  /** Begins the validations of the newest weights. */
  async #validateDue(version: number): Promise<void> {
    const { calendar, evaluation } = this.#parts;
    const due = calendar.validations.filter((validated) => validated === version);
    if (due.length > 0) await this.#o.executor.keepStatistics();
    for (const _ of due) evaluation.due(this.#o.versions.pin());
  }

  async #validate(step: EvaluationStep): Promise<void> {
    const { executor, versions, observer } = this.#o;
    const { calendar, evaluation, data, mail } = this.#parts;
    const samples = calendar.validationSamples(step.batch);
    const start = step.batch * calendar.shape.batch_size;
    const slot = evaluation.sequence(step.validation, step.batch) % VALIDATION_WINDOW;
    await data?.fillValidation(slot, start, samples);
    const loss = await executor.evaluate(slot, samples, versions.pinned(step.version));
    if (loss !== undefined) observer.validated?.(step, slot, samples, loss);
    mail.sendValidation(step, slot, samples);
    const done = evaluation.completed();
    if (done !== undefined) versions.unpin(done);
  }
}
