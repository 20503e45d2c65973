import { availableParallelism } from "node:os";
import { messageOf, RavnError } from "../../error.ts";
import { type Job, Maker } from "./make.ts";
import type { Answer, Order } from "./messages.ts";
import type { Recipe } from "./recipe.ts";
import type { Ring } from "./ring.ts";

/** Most worker threads that `auto` starts. */
const AUTO_MAX = 8;

/** Who makes samples: worker threads, or this one. */
export interface MakerPool extends Disposable {
  /** Number of threads; 0 where samples are made on this one, so that none are made ahead. */
  readonly workers: number;
  /** Says how and where a stream is made; jobs of an earlier ring must have ended. */
  open(stream: number, recipe: Recipe, ring: Ring): void;
  /** Makes a job; resolves to lines about samples that were left out. */
  run(stream: number, job: Job): Promise<readonly string[]>;
}

/** Worker threads for `auto`: half the processors, since the model needs them too. */
export function autoWorkers(): number {
  return Math.min(AUTO_MAX, Math.max(1, Math.floor(availableParallelism() / 2)));
}

/** Makes samples on this thread, when they are asked for. */
class OwnThread implements MakerPool {
  readonly workers = 0;
  readonly #makers = new Map<number, Maker>();

  open(stream: number, recipe: Recipe, ring: Ring): void {
    this.#makers.set(stream, new Maker(recipe, ring));
  }

  run(stream: number, job: Job): Promise<readonly string[]> {
    return Promise.try(() => this.#makers.get(stream)!.run(job));
  }

  [Symbol.dispose](): void {}
}

/** Beside the sources this is TypeScript; in a shipped program a bundled module of that name. */
function workerModule(): URL {
  const name = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
  return new URL(name, import.meta.url);
}

interface Thread {
  readonly worker: Worker;
  /** Samples that it has been given and not answered. */
  load: number;
}

interface Waiting {
  readonly thread: Thread;
  readonly samples: number;
  readonly resolve: (skipped: readonly string[]) => void;
  readonly reject: (error: Error) => void;
}

/** Makes samples on threads; a job goes to the one with the least to do. */
class WorkerThreads implements MakerPool {
  readonly workers: number;
  readonly #threads: readonly Thread[];
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #failure: Error | undefined;

  constructor(workers: number) {
    this.workers = workers;
    this.#threads = Array.from({ length: workers }, () => this.#start());
  }

  open(stream: number, recipe: Recipe, ring: Ring): void {
    for (const { worker } of this.#threads) post(worker, { type: "stream", stream, recipe, ring });
  }

  run(stream: number, job: Job): Promise<readonly string[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const thread = this.#threads.reduce((a, b) => b.load < a.load ? b : a);
    const id = this.#next++;
    const samples = job.samples.length;
    thread.load += samples;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { thread, samples, resolve, reject });
      post(thread.worker, { type: "job", stream, id, job });
    });
  }

  /** Ends the threads; jobs that were under way never answer. */
  [Symbol.dispose](): void {
    for (const { worker } of this.#threads) worker.terminate();
    this.#waiting.clear();
  }

  #start(): Thread {
    const worker = new Worker(workerModule(), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#answered(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`a data worker failed: ${event.message}`));
    };
    return { worker, load: 0 };
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    waiting.thread.load -= waiting.samples;
    if ("skipped" in answer) waiting.resolve(answer.skipped);
    else waiting.reject(errorOf(answer));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}

function post(worker: Worker, order: Order): void {
  worker.postMessage(order);
}

function errorOf(answer: Extract<Answer, { message: string }>): Error {
  const { message, exitCode, stack } = answer;
  if (exitCode !== undefined) return new RavnError(message, { exitCode });
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * Starts the threads that make samples.
 *
 * @param workers how many; 0 makes samples on this thread.
 * @throws {RavnError} where threads cannot be started.
 */
export function openPool(workers: number): MakerPool {
  if (workers === 0) return new OwnThread();
  try {
    return new WorkerThreads(workers);
  } catch (thrown) {
    throw new RavnError(
      `data workers cannot be started: ${messageOf(thrown)}; try data.workers: 0`,
      { exitCode: 1, cause: thrown },
    );
  }
}
