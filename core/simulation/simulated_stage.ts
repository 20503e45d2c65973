import {
  type Calendar,
  deferred,
  type EvaluationStep,
  type Neighbours,
  NormSum,
  outstanding,
  splitsBackward,
  StageCourse,
  type StagePosition,
  type StageTask,
  VALIDATION_WINDOW,
  WeightVersions,
} from "../pipeline/mod.ts";
import type { Message, MessageKind } from "./link.ts";
import type { SimulatedAveraging } from "./simulated_averaging.ts";
import { StageCounts } from "./stage_counts.ts";
import type { WaitCause } from "./stage_counts.ts";

/** A message for another stage of the cluster. */
export interface StageMessage {
  readonly kind: Exclude<MessageKind, "reduce" | "gather">;
  /** Micro-batch, update or validation batch. */
  readonly of: number;
  readonly samples: number;
  /** Which validation; a sum of squares. */
  readonly value: number;
}

/** What a stage does to the world. */
export interface StageWorld {
  readonly now_ms: number;
  /** Lets `done` be called when `task` on `samples` samples has been computed. */
  compute(task: StageTask, samples: number, done: () => void): void;
  /** Sends a message to another stage of the cluster. */
  send(to: number, message: StageMessage, sent?: Message["sent"]): void;
}

/** A stage, and what it is part of. */
export interface SimulatedStageOptions {
  readonly position: StagePosition;
  readonly neighbours: Neighbours;
  readonly calendar: Calendar;
  readonly world: StageWorld;
}

/**
 * One stage of a pipeline on virtual time: runs what the state machines say, one operation at a
 * time, tells the others what comes of it, and counts what it waits for.
 */
export class SimulatedStage {
  readonly counts = new StageCounts();
  averaging: SimulatedAveraging | undefined;
  readonly #o: SimulatedStageOptions;
  readonly #course: StageCourse;
  readonly #norms: NormSum | undefined;
  readonly #weights: WeightVersions;
  /** Micro-batches that may be outstanding, and of which activations may be kept. */
  readonly #bounds: { readonly outstanding: number; readonly kept: number };
  readonly #gradientSlots: number;
  /** Micro-batches that may arrive before one is brought back, and before it is released. */
  readonly #arrivalSlots: { readonly brought: number; readonly released: number };
  /** Messages of gradients that have not left, by micro-batch. */
  readonly #unsent = new Map<number, number>();
  /** Versions with which the micro-batches of the next update were computed. */
  #versions: number[] = [];
  #begun = false;
  #isBusy = false;
  #isDone = false;
  /** A task whose memory is still being sent. */
  #held: StageTask | undefined;
  #outstanding = 0;
  #kept = 0;
  #early = 0;
  /** Micro-batches brought back and released, and validation batches run. */
  #brought = 0;
  #released = 0;
  #judged = 0;

  constructor(options: SimulatedStageOptions) {
    this.#o = options;
    const { position, neighbours, calendar } = options;
    const { micro_batches } = calendar.shape;
    const most = outstanding(position, micro_batches);
    const late = deferred(position, micro_batches);
    this.#bounds = { outstanding: most, kept: most + late };
    this.#gradientSlots = Math.max(2, most);
    const inFlight = outstanding({ ...position, stage: 0 }, micro_batches);
    this.#arrivalSlots = { brought: inFlight, released: inFlight + (late > 0 ? late + 1 : 0) };
    this.#weights = new WeightVersions(position.schedule === "async" ? most + 2 : 3);
    this.#norms = position.norms === true ? new NormSum(neighbours) : undefined;
    this.#course = new StageCourse({
      position,
      neighbours,
      calendar,
      knowsNorm: (update) => this.#norms === undefined || this.#norms.total(update) !== undefined,
      mayAdopt: () => this.averaging?.ready ?? true,
    });
  }

  /** True when everything is done. */
  get finished(): boolean {
    return this.#isDone;
  }

  /** Begins, and tells the stages behind. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    for (const to of this.#o.neighbours.consumers) this.#tell(to, "begin", 0, 0);
    this.#next();
  }

  /** Something else than a message has changed: an average is complete. */
  wake(): void {
    this.#next();
  }

  /** What this stage is waiting for, in words. */
  get expects(): string {
    if (!this.#begun) return "the start of the run";
    const { adopts, expected } = this.#course;
    const from = (adopts ? this.averaging?.awaited ?? [] : [])
      .map(({ cluster, stage }) => `stage ${stage} of cluster ${cluster}`);
    return from.length > 0 ? `${expected} from ${from.join(" and ")}` : expected;
  }

  /**
   * A message arrived from stage `from` of the cluster.
   *
   * @throws {Error} where a state machine refuses it: it is doubled, lost or out of order
   */
  receive(from: number, { kind, of, value }: StageMessage): void {
    if (kind === "begin") return this.begin();
    if (kind === "evaluate") {
      if (this.#course.evaluation.sequence(value, of) >= this.#judged + VALIDATION_WINDOW) {
        throw new Error(`validation batch ${of} overwrites what stage ${this.#stage} still needs`);
      }
      this.#course.evaluation.arrived(from, value, of);
    } else if (kind === "evaluated") this.#course.evaluation.acknowledged(from, value, of);
    else if (kind === "norm") this.#norm(this.#norms!.arrived(from, of, value));
    else {
      if (kind === "forward") this.#checkPlace(of);
      this.#course.arrived(kind, of, from);
      this.counts.early_most = Math.max(this.counts.early_most, ++this.#early);
    }
    this.#next();
  }

  /** Whether the memory into which micro-batch `m` arrives is free. */
  #checkPlace(m: number): void {
    const { brought, released } = this.#arrivalSlots;
    if (m < this.#brought + brought && m < this.#released + released) return;
    throw new Error(`forward ${m} overwrites what stage ${this.#stage} still needs`);
  }

  get #stage(): number {
    return this.#o.position.stage;
  }

  #norm(messages: ReturnType<NormSum["contribute"]>): void {
    for (const { to, update, squares } of messages) this.#tell(to, "norm", update, squares);
  }

  #tell(to: number, kind: StageMessage["kind"], of: number, value: number): void {
    this.#o.world.send(to, { kind, of, value, samples: 0 });
  }

  /** Begins whatever is to be done next, or waits. */
  #next(): void {
    if (this.#isBusy || this.#isDone || !this.#begun) return;
    const task = this.#held ?? this.#course.next();
    this.#held = undefined;
    if (task !== undefined && this.#waitsForSending(task)) {
      this.#held = task;
      this.counts.waits("sending", this.#o.world.now_ms);
    } else if (task !== undefined) {
      this.#run(task);
    } else {
      this.#isDone = this.#course.finished;
      this.counts.waits(this.#isDone ? "ends" : this.#cause(), this.#o.world.now_ms);
    }
  }

  #cause(): WaitCause {
    const { awaits, adopts, awaitsNorm } = this.#course;
    if (adopts) return "average";
    if (awaits?.kind === "backward") return "gradients";
    if (awaits?.kind === "forward") return "activations";
    return awaits === undefined && awaitsNorm !== undefined ? "norm" : "validation";
  }

  /** Whether the memory for its gradients still holds those of an earlier micro-batch. */
  #waitsForSending(task: StageTask): boolean {
    if (task.type !== "backward" && task.type !== "step") return false;
    return this.#unsent.has(task.microBatch - this.#gradientSlots);
  }

  #samples(task: StageTask): number {
    const { calendar } = this.#o;
    if (task.type === "validate") return calendar.validationSamples(task.batch);
    return "microBatch" in task ? calendar.place(task.microBatch).samples : 0;
  }

  #run(task: StageTask): void {
    const { world } = this.#o;
    const begin_ms = world.now_ms;
    this.#isBusy = true;
    this.counts.goesOn(begin_ms);
    if (task.type === "forward" || task.type === "step") this.#begins(task.microBatch);
    if (task.type === "backward") this.#early -= this.#o.neighbours.consumers.length;
    const samples = this.#samples(task);
    world.compute(task, samples, () => {
      this.#isBusy = false;
      this.counts.busy_ms += world.now_ms - begin_ms;
      this.#done(task, samples);
      this.#course.completed(task);
      this.#next();
    });
  }

  /** A micro-batch is taken in: the newest weights are kept for it. */
  #begins(m: number): void {
    this.#weights.stash(m);
    this.#early -= this.#o.neighbours.producers.length;
    this.#outstanding++;
    this.#kept++;
    if (this.#outstanding > this.#bounds.outstanding || this.#kept > this.#bounds.kept) {
      throw new Error(
        `stage ${this.#stage} has ${this.#outstanding} micro-batches outstanding and keeps ` +
          `${this.#kept}, allowed are ${this.#bounds.outstanding} and ${this.#bounds.kept}`,
      );
    }
    this.counts.outstanding_most = Math.max(this.counts.outstanding_most, this.#outstanding);
  }

  #done(task: StageTask, samples: number): void {
    const { world, neighbours } = this.#o;
    switch (task.type) {
      case "forward":
        for (const to of neighbours.consumers) {
          world.send(to, { kind: "forward", of: task.microBatch, samples, value: 0 });
        }
        break;
      case "backward":
      case "step":
        this.#bringsBack(task.microBatch, samples);
        break;
      case "weights":
        this.#releases(task.microBatch);
        break;
      case "norm":
        // Of as many squares as stages the sum is known.
        this.#norm(this.#norms!.contribute(task.update, 1));
        break;
      case "update":
        this.#updates(task.update);
        break;
      case "reduce":
        this.averaging?.contribute();
        break;
      case "adopt":
        this.#validateDue(task.update + 1);
        break;
      case "validate":
        this.#validated(task, samples);
    }
  }

  /** The gradients of a micro-batch are there: they go to where its activations came from. */
  #bringsBack(m: number, samples: number): void {
    const { position, neighbours, world } = this.#o;
    this.#outstanding--;
    this.#brought++;
    if (!splitsBackward(position)) this.#releases(m);
    if (neighbours.producers.length > 0) this.#unsent.set(m, neighbours.producers.length);
    for (const to of neighbours.producers) {
      world.send(to, { kind: "backward", of: m, samples, value: 0 }, () => {
        const left = this.#unsent.get(m)! - 1;
        if (left > 0) this.#unsent.set(m, left);
        else {
          this.#unsent.delete(m);
          this.#next();
        }
      });
    }
  }

  /** All gradients of a micro-batch are there. */
  #releases(m: number): void {
    this.#versions.push(this.#weights.stashed(m).version);
    this.#weights.release(m);
    this.#released++;
    this.#kept--;
  }

  #updates(update: number): void {
    const { calendar, position: { stages }, world } = this.#o;
    if (this.#norms !== undefined) {
      const total = this.#norms.total(update);
      if (total !== stages) throw new Error(`${stages} stages told squares, the sum is ${total}`);
      this.#norms.made(update);
    }
    for (const version of this.#versions) this.counts.late(this.#weights.version - version);
    this.#versions = [];
    const { version } = this.#weights.advance();
    this.counts.updates_ms.push(world.now_ms);
    if (calendar.adopts(version) === undefined) this.#validateDue(version);
  }

  #validateDue(version: number): void {
    for (const due of this.#o.calendar.validations) {
      if (due === version) this.#course.evaluation.due(this.#weights.pin());
    }
  }

  #validated({ validation, batch }: EvaluationStep, samples: number): void {
    const { neighbours, world } = this.#o;
    for (const to of neighbours.consumers) {
      world.send(to, { kind: "evaluate", of: batch, value: validation, samples });
    }
    for (const to of neighbours.producers) this.#tell(to, "evaluated", batch, validation);
    this.#judged++;
    const done = this.#course.evaluation.completed();
    if (done !== undefined) this.#weights.unpin(done);
  }
}
