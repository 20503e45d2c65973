import type { EventQueue } from "./event_queue.ts";
import { nextChange, slownessAt } from "./spells.ts";
import type { Spell } from "./spells.ts";

/** Something that computes. */
export interface Task {
  /** Time that it takes with all the cores that it keeps busy, ms. */
  readonly work_ms: number;
  /** Cores that it keeps busy. */
  readonly cores: number;
  /** When the node is slower. */
  readonly spells: readonly Spell[];
  readonly done: () => void;
}

interface Running extends Task {
  left_ms: number;
}

/** Of a task's time, what counts as none left: sums of floating-point numbers are not exact. */
const ROUNDING_MS = 1e-9;

/**
 * A computer on which one or several nodes run. Where they want more cores than there are, all get
 * the same part of what they want.
 */
export class Machine {
  readonly #queue: EventQueue;
  readonly #cores: number;
  #running: Running[] = [];
  #since_ms = 0;
  /** Counts changes: an event that was planned before the last one is void. */
  #changes = 0;

  /** @param cores Infinity where it is not known how many there are */
  constructor(queue: EventQueue, cores: number) {
    this.#queue = queue;
    this.#cores = cores;
  }

  /** Begins a task. */
  run(task: Task): void {
    this.#advance();
    this.#running.push({ ...task, left_ms: task.work_ms });
    this.#plan();
  }

  /** The part of its speed that a task has now. */
  #rate({ spells }: Task, time_ms: number): number {
    const wanted = this.#running.reduce((sum, { cores }) => sum + cores, 0);
    return Math.min(1, this.#cores / wanted) / slownessAt(spells, time_ms);
  }

  /** Takes off what has been computed since the last change. */
  #advance(): void {
    const now = this.#queue.now_ms;
    const elapsed = now - this.#since_ms;
    if (elapsed > 0) {
      for (const task of this.#running) task.left_ms -= elapsed * this.#rate(task, this.#since_ms);
    }
    this.#since_ms = now;
  }

  /** Comes back when the first task is done, or when one becomes slower or faster. */
  #plan(): void {
    const change = ++this.#changes;
    const now = this.#queue.now_ms;
    let next = Infinity;
    for (const task of this.#running) {
      next = Math.min(
        next,
        now + Math.max(0, task.left_ms) / this.#rate(task, now),
        nextChange(task.spells, now),
      );
    }
    if (next === Infinity) return;
    this.#queue.at(next, () => {
      if (change === this.#changes) this.#finish();
    });
  }

  #finish(): void {
    this.#advance();
    // At a late hour a time this short may be less than the clock's resolution.
    const resolution = Math.max(ROUNDING_MS, this.#queue.now_ms * Number.EPSILON * 4);
    const done = this.#running.filter(({ left_ms }) => left_ms <= resolution);
    this.#running = this.#running.filter(({ left_ms }) => left_ms > resolution);
    this.#plan();
    for (const task of done) task.done();
  }
}
