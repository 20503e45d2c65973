import { messageOf, RavnError } from "../error.ts";
import { eventLoop } from "../event_loop.ts";
import { Calendar, StageCourse } from "../pipeline/mod.ts";
import type { WeightVersions } from "../pipeline/mod.ts";
import type { StageEngine, StageManifest, StageWeights } from "../training/mod.ts";
import type { Closed, Link, TensorHead } from "../../transport/mod.ts";
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
import { StageMail } from "./stage_mail.ts";
import type { Peer } from "./stage_mail.ts";
import type { StageObserver } from "./stage_observer.ts";
import { StageOperations } from "./stage_operations.ts";

/**
 * The others are told of a failure; those that take nothing are not waited for longer than this.
 */
const FAREWELL_MS = 300;

/** Signals and messages wait no longer than this and one operation. */
const LOOK_EVERY_MS = 8;

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
  readonly averaging?: Pick<AveragingOptions, "layout" | "links" | "initial">;
  readonly source?: BatchSource;
  /** Learning rate of an update. */
  readonly rate: (update: number, calendar: Calendar) => number;
  readonly observer: StageObserver;
  readonly signal: AbortSignal;
}

/** The run once it has begun. */
interface Course {
  readonly course: StageCourse;
  readonly clip: GradientClip;
  readonly work: StageOperations;
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
          this.#started().course.evaluation.acknowledged(from, validation, batch);
          this.#wake();
        },
        norm: (from, update, squares) => {
          this.#started().clip.arrived(from, update, squares);
          this.#wake();
        },
        closed: (peer, closed) => this.#closed(peer, closed),
        failed: (error) => this.#fail(error),
        validationSequence: (...of) => this.#started().course.evaluation.sequence(...of),
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

  #arrived({ kind, step, microBatch }: TensorHead, from: number): void {
    const { course } = this.#started();
    if (kind === "evaluate") course.evaluation.arrived(from, step, microBatch);
    else if (kind === "forward" || kind === "backward") course.arrived(kind, microBatch, from);
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

  /** What this stage is waiting for, in words. */
  #expects(): string {
    if (this.#course === undefined) return "the start of the run";
    const { course } = this.#course;
    return course.adopts ? this.#averaging!.expected : course.expected;
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
    const { schedule, inFlight } = settings;
    const position = { schedule, inFlight, stage, stages, norms: needsNorms(settings.clip) };
    const neighbours = { producers, consumers };
    const clip = new GradientClip({
      clip: settings.clip,
      weights: this.#o.weights,
      neighbours,
      send: (message) => this.#mail.sendNorm(message),
    });
    const course = new StageCourse({
      position,
      neighbours,
      calendar,
      knowsNorm: (update) => clip.ready(update),
      mayAdopt: () => this.#averaging?.mayAdopt() ?? true,
    });
    const { executor, manifest } = this.#o;
    const data = source && new StageData(source, executor, manifest, terms.shape.batch_size);
    const work = new StageOperations(this.#o, {
      calendar,
      evaluation: course.evaluation,
      clip,
      mail: this.#mail,
      averaging: this.#averaging,
      data,
    });
    this.#course = { course, clip, work };
    this.#mail.sendBegin(text);
    this.#averaging?.begin(terms);
    this.#o.observer.begun?.(calendar, terms);
    this.#wake();
  }

  async #loop(): Promise<void> {
    let looked_ms = performance.now();
    while (true) {
      if (this.#failure !== undefined) throw this.#failure;
      const task = this.#course?.course.next();
      if (task !== undefined) {
        const { work, course } = this.#started();
        await work.run(task);
        course.completed(task);
        this.#mail.look();
        this.#averaging?.look();
        // Short operations do not let the event loop go around: signals and messages would wait.
        if (performance.now() - looked_ms > LOOK_EVERY_MS) {
          await eventLoop();
          looked_ms = performance.now();
        }
      } else if (this.#course?.course.finished) {
        return;
      } else {
        await this.#idle();
      }
    }
  }

  async #idle(): Promise<void> {
    const course = this.#course?.course;
    const awaited = course === undefined ? this.#mail.producers : [course.awaits?.stage];
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
}
