import { messageOf, RavnError } from "../error.ts";
import { Calendar, EvaluationMachine, operations, StageMachine } from "../pipeline/mod.ts";
import type { Awaited, EvaluationStep, Operation, Place, WeightVersions } from "../pipeline/mod.ts";
import type { StageEngine, StageManifest, StageWeights } from "../training/mod.ts";
import type { Closed, Identity, Link, TensorHead } from "../../transport/mod.ts";
import { Averaging } from "./averaging.ts";
import type { AveragingOptions } from "./averaging.ts";
import type { BatchSource } from "./batch_source.ts";
import { resolvesWithin } from "./deadline.ts";
import { GradientClip, needsNorms } from "./gradient_clip.ts";
import { endOf } from "./link_end.ts";
import type { StageSettings } from "./open_stage.ts";
import { checkTerms } from "./run_terms.ts";
import type { RunTerms } from "./run_terms.ts";
import { StageData } from "./stage_data.ts";
import { StageMail, VALIDATION_WINDOW } from "./stage_mail.ts";
import type { Peer } from "./stage_mail.ts";

/**
 * The others are told of a failure; those that take nothing are not waited for longer than this.
 */
const FAREWELL_MS = 300;

/** What a stage learns as it trains. */
export interface StageObserver {
  begun?(calendar: Calendar, terms: RunTerms): void;
  /** Last stage: loss of a micro-batch, a mean over its samples. */
  loss?(place: Place, loss: number): void;
  /** Update `update` (from 0) was made with learning rate `rate`. */
  updated?(update: number, rate: number): void;
  /** Last stage: a validation batch was run; its output and labels lie in slot `slot`. */
  validated?(step: EvaluationStep, slot: number, samples: number, loss: number): void;
  /** A peer was lost while this stage waited for `expected`. */
  lost?(peer: Identity, expected: string): void;
}

/** Everything a stage's training needs. */
export interface StageRunOptions {
  /** Name of this node. */
  readonly node: string;
  readonly manifest: StageManifest;
  readonly executor: StageEngine;
  readonly weights: StageWeights;
  readonly versions: WeightVersions;
  readonly settings: StageSettings;
  readonly links: ReadonlyMap<number, Link>;
  /** Where the stage averages its weights with other clusters: how, and with whom. */
  readonly averaging?: Pick<AveragingOptions, "layout" | "links">;
  readonly source?: BatchSource;
  /** Learning rate of an update. */
  readonly rate: (update: number, calendar: Calendar) => number;
  readonly observer: StageObserver;
  readonly signal: AbortSignal;
}

/** The run once it has begun. */
interface Course {
  readonly calendar: Calendar;
  readonly machine: StageMachine;
  readonly evaluation: EvaluationMachine;
  readonly clip: GradientClip;
  /** Where this stage reads data. */
  readonly data: StageData | undefined;
}

/**
 * Trains one stage: runs what the state machines say, feeds them with what arrives, and sends on
 * what comes out. One operation at a time; messages travel while it computes.
 */
export class StageRun {
  readonly #o: StageRunOptions;
  readonly #mail: StageMail;
  readonly #averaging: Averaging | undefined;
  readonly #left = new Set<number>();
  #begun: string | undefined;
  #course: Course | undefined;
  #failure: Error | undefined;
  #complete = false;
  #wake: () => void = () => {};

  constructor(options: StageRunOptions) {
    this.#o = options;
    const { manifest, executor, links } = options;
    this.#mail = new StageMail({
      manifest,
      executor,
      links,
      handlers: {
        arrived: (head, from) => this.#arrived(head, from),
        begin: (text) => this.#begin(text),
        evaluated: (from, validation, batch) => {
          this.#started().evaluation.acknowledged(from, validation, batch);
          this.#wake();
        },
        norm: (from, update, squares) => {
          this.#started().clip.arrived(from, update, squares);
          this.#wake();
        },
        closed: (peer, closed) => this.#closed(peer, closed),
        failed: (error) => this.#fail(error),
        validationSequence: (validation, batch) => this.#sequence(validation, batch),
      },
    });
    this.#averaging = options.averaging && new Averaging({
      ...options,
      ...options.averaging,
      handlers: {
        changed: () => this.#wake(),
        closed: (partner, closed) => this.#lost(partner, closed),
        failed: (error) => this.#fail(error),
      },
    });
  }

  /**
   * Trains to the end.
   *
   * @param terms given on the root; the other stages learn them from it
   * @throws {RavnError} when a peer is lost, disagrees, or fails; the other peers are told
   */
  async run(terms?: RunTerms): Promise<void> {
    const stop = () => this.#fail(new RavnError("stopped by the user", { exitCode: 130 }));
    this.#o.signal.addEventListener("abort", stop);
    try {
      if (this.#o.signal.aborted) stop();
      this.#mail.open();
      this.#averaging?.open();
      if (terms !== undefined) this.#begin(JSON.stringify(terms));
      await this.#loop();
      await this.#mail.flushed();
      this.#complete = true;
    } catch (thrown) {
      const message = messageOf(thrown);
      const told = [this.#mail.fail(message), this.#averaging?.fail(message)];
      await resolvesWithin(FAREWELL_MS, Promise.all(told));
      throw thrown;
    } finally {
      this.#o.signal.removeEventListener("abort", stop);
    }
  }

  /** Says goodbye, after the stages that read from this one: so nobody misses a message. */
  async leave(): Promise<void> {
    for (const stage of this.#mail.consumers) {
      const peer = this.#mail.peer(stage);
      const closed = await peer.link.closed;
      if (closed.kind !== "bye") throw endOf(closed, peer.name, "the end of the run");
    }
    await Promise.all([
      ...this.#mail.peers.map(({ link }) => link.close()),
      this.#averaging?.close(),
    ]);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #started(): Course {
    if (this.#course === undefined) throw new RavnError("a message came before the run began");
    return this.#course;
  }

  #sequence(validation: number, batch: number): number {
    return validation * this.#started().calendar.validationBatches + batch;
  }

  #arrived({ kind, step, microBatch }: TensorHead, from: number): void {
    const { machine, evaluation } = this.#started();
    if (kind === "evaluate") evaluation.arrived(from, step, microBatch);
    else if (kind === "forward" || kind === "backward") machine.arrived(kind, microBatch, from);
    this.#wake();
  }

  #closed(peer: Peer, closed: Closed): void {
    if (this.#complete) return;
    this.#left.add(peer.stage);
    if (closed.kind === "bye") return this.#wake();
    this.#lost(peer, closed);
  }

  #lost({ name, link }: Pick<Peer, "name" | "link">, closed: Closed): void {
    if (this.#complete) return;
    const expected = this.#expects();
    if (closed.kind === "lost") this.#o.observer.lost?.(link.peer, expected);
    this.#fail(endOf(closed, name, expected));
  }

  #awaited(): Awaited | undefined {
    return this.#course?.machine.awaits ?? this.#course?.evaluation.awaits;
  }

  /** What this stage is waiting for, in words. */
  #expects(): string {
    if (this.#course === undefined) return "the start of the run";
    const awaited = this.#awaited();
    const { machine: { nextUpdate, adopts }, clip } = this.#course;
    if (adopts) return this.#averaging!.expected;
    if (awaited === undefined && nextUpdate !== undefined && !clip.ready(nextUpdate)) {
      return `the norm of the gradients of update ${nextUpdate + 1}`;
    }
    if (awaited === undefined) return "the end of the run";
    return `${awaited.kind} ${awaited.microBatch} from stage ${awaited.stage}`;
  }

  #begin(text: string): void {
    if (this.#begun !== undefined) {
      if (this.#begun !== text) throw new RavnError("two stages told different terms of the run");
      return;
    }
    this.#begun = text;
    const terms = JSON.parse(text) as RunTerms;
    const { node, settings, source } = this.#o;
    checkTerms(terms, { node, settings, source });
    const { stage, stages } = this.#o.manifest;
    const { producers, consumers } = this.#mail;
    const calendar = new Calendar(terms.shape);
    const evaluation = new EvaluationMachine({
      producers,
      consumers,
      batches: calendar.validationBatches,
      window: VALIDATION_WINDOW,
    });
    const { schedule, inFlight } = settings;
    const position = { schedule, inFlight, stage, stages, norms: needsNorms(settings.clip) };
    const neighbours = { producers, consumers };
    const clip = new GradientClip({
      clip: settings.clip,
      weights: this.#o.weights,
      neighbours,
      send: (message) => this.#mail.sendNorm(message),
    });
    const validated = new Set(calendar.validations);
    const mayUpdate = (update: number) =>
      (evaluation.pending === 0 || !validated.has(update + 1)) && clip.ready(update);
    const mayAdopt = () => this.#averaging?.ready ?? true;
    const order = operations(position, calendar);
    const machine = new StageMachine(order, neighbours, mayUpdate, mayAdopt);
    const { executor, manifest } = this.#o;
    const data = source && new StageData(source, executor, manifest, terms.shape.batch_size);
    this.#course = { calendar, evaluation, machine, clip, data };
    this.#mail.sendBegin(text);
    this.#averaging?.begin(terms);
    this.#o.observer.begun?.(calendar, terms);
    this.#wake();
  }

  async #loop(): Promise<void> {
    let turn: "train" | "validate" = "train";
    while (true) {
      if (this.#failure !== undefined) throw this.#failure;
      const operation = this.#course?.machine.next();
      const step = this.#course?.evaluation.next();
      if (operation !== undefined && (turn === "train" || step === undefined)) {
        await this.#run(operation);
        turn = "validate";
      } else if (step !== undefined) {
        await this.#validate(step);
        turn = "train";
      } else if (this.#finished()) {
        return;
      } else {
        await this.#idle();
      }
    }
  }

  #finished(): boolean {
    const course = this.#course;
    return course !== undefined && course.machine.finished && course.evaluation.pending === 0;
  }

  async #idle(): Promise<void> {
    const awaited = this.#course === undefined ? this.#mail.producers : [this.#awaited()?.stage];
    const stage = awaited.find((stage) => stage !== undefined && this.#left.has(stage));
    const name = stage === undefined ? this.#averaging?.missing : this.#mail.peer(stage).name;
    if (name !== undefined) {
      throw new RavnError(
        `${name} left before the end; ${this.#o.node} expected ${this.#expects()}`,
        { exitCode: 1 },
      );
    }
    await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = () => {};
  }

  async #run(operation: Operation): Promise<void> {
    const { machine } = this.#started();
    switch (operation.type) {
      case "forward":
        await this.#forward(operation.microBatch);
        break;
      case "backward":
        await this.#backward(operation.microBatch);
        break;
      case "step":
        await this.#step(operation.microBatch);
        break;
      case "norm":
        await this.#started().clip.contribute(operation.update);
        break;
      case "update":
        await this.#update(operation.update);
        break;
      case "reduce":
        await this.#averaging?.contribute(this.#o.versions.buffer);
        break;
      case "adopt":
        await this.#adopt(operation.update + 1);
    }
    machine.completed();
  }

  async #forward(m: number): Promise<void> {
    const { executor, versions } = this.#o;
    const place = this.#started().calendar.place(m);
    await this.#started().data?.fill(m, place);
    await executor.forward(m, place.samples, versions.stash(m));
    this.#mail.sendForward(m, place, versions.version);
  }

  async #backward(m: number): Promise<void> {
    const { executor, versions } = this.#o;
    const place = this.#started().calendar.place(m);
    const { buffer, version } = versions.stashed(m);
    await this.#mail.gradientsSent(m);
    await executor.backward(m, place.samples, buffer, this.#opensUpdate(m));
    versions.release(m);
    this.#mail.sendBackward(m, place, version);
  }

  async #step(m: number): Promise<void> {
    const { executor, versions, observer } = this.#o;
    const place = this.#started().calendar.place(m);
    await this.#started().data?.fill(m, place);
    await this.#mail.gradientsSent(m);
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
    this.#mail.sendBackward(m, place, versions.version);
  }

  /** True for the first micro-batch of an update: its gradients replace the last update's. */
  #opensUpdate(m: number): boolean {
    return m === 0 || this.#started().calendar.place(m - 1).closesUpdate;
  }

  async #update(update: number): Promise<void> {
    const { weights, versions, rate, observer } = this.#o;
    const { calendar, clip } = this.#started();
    const { from, to, version } = versions.advance();
    const learningRate = rate(update, calendar);
    const gradientScale = await clip.factor(update);
    await weights.update(from, to, { rate: learningRate, update, gradientScale });
    observer.updated?.(update, learningRate);
    if (calendar.adopts(version) === undefined) await this.#validateDue(version);
  }

  /** Takes an average over into the newest version, which nothing has used yet. */
  async #adopt(version: number): Promise<void> {
    const { buffer } = this.#o.versions;
    const isBarrier = this.#started().calendar.isBarrier(version);
    await this.#averaging?.[isBarrier ? "adopt" : "correct"](buffer);
    await this.#validateDue(version);
  }

  /** Begins the validations of the newest weights. */
  async #validateDue(version: number): Promise<void> {
    const { calendar, evaluation } = this.#started();
    const due = calendar.validations.filter((validated) => validated === version);
    if (due.length > 0) await this.#o.executor.keepStatistics();
    for (const _ of due) evaluation.due(this.#o.versions.pin());
  }

  async #validate(step: EvaluationStep): Promise<void> {
    const { executor, versions, observer } = this.#o;
    const { calendar, evaluation, data } = this.#started();
    const samples = calendar.validationSamples(step.batch);
    const start = step.batch * calendar.shape.batch_size;
    const slot = this.#sequence(step.validation, step.batch) % VALIDATION_WINDOW;
    await data?.fillValidation(slot, start, samples);
    const loss = await executor.evaluate(slot, samples, versions.pinned(step.version));
    if (loss !== undefined) observer.validated?.(step, slot, samples, loss);
    this.#mail.sendValidation(step, slot, samples);
    const done = evaluation.completed();
    if (done !== undefined) versions.unpin(done);
  }
}
