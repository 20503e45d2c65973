import { RavnError } from "../error.ts";
import type { ContenderNews, ContenderOrder } from "./contender.ts";
import { timeTraining } from "./time_training.ts";
import type { TimedTraining, TrainingTime } from "./time_training.ts";

/** Contenders must be warm within so much. */
const DEADLINE_MS = 20_000;

/**
 * Factor on the time of a step on one thread while others do the same at the same time, on threads
 * of this process with weights and memory of their own: what stages on one machine take from each
 * other where cores are siblings, or share caches and memory. At least 1.
 *
 * @param o the training that was timed alone, on a runtime of one thread
 * @param alone what that took
 * @param others how many do the same besides; at least 1
 * @throws {RavnError} where a thread does not start
 */
export async function timeContention(
  o: TimedTraining,
  alone: TrainingTime,
  others: number,
): Promise<number> {
  const { runtime: { library }, program, optimizer } = o;
  const time = async () => lengthOf(await timeTraining(o));
  const together_ms = await besides(others, { library, program, optimizer }, time);
  // A machine's speed changes within seconds: what was found before alone may be of another time.
  const after_ms = await time();
  return Math.max(1, 2 * together_ms / (lengthOf(alone) + after_ms));
}

/** Measures while `others` threads train; they have left at the end, or are about to. */
async function besides(
  others: number,
  order: ContenderOrder,
  measure: () => Promise<number>,
): Promise<number> {
  using contenders = new DisposableStack();
  const started = Array.from({ length: others }, () => contenders.use(new Contender(order)));
  await Promise.all(started.map(({ warm }) => warm));
  const failed = Promise.race(started.map(({ failed }) => failed));
  return await Promise.race([measure(), failed]);
}

function lengthOf({ step_ms, update_ms }: TrainingTime): number {
  return step_ms + update_ms;
}

/** A thread that trains. */
class Contender implements Disposable {
  readonly warm: Promise<void>;
  /** Rejects where it cannot go on, and never resolves. */
  readonly failed: Promise<never>;
  readonly #worker: Worker;

  constructor(order: ContenderOrder) {
    const warm = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<never>();
    [this.warm, this.failed] = [warm.promise, failed.promise];
    // Whoever waits for the other one hears of it there.
    this.warm.catch(() => {});
    this.failed.catch(() => {});
    const fail = (message: string) => {
      const error = new RavnError(`a thread that was to train beside others failed: ${message}`);
      warm.reject(error);
      failed.reject(error);
    };
    const timer = setTimeout(() => fail(`nothing in ${DEADLINE_MS / 1000} s`), DEADLINE_MS);
    this.warm.finally(() => clearTimeout(timer)).catch(() => {});
    this.#worker = new Worker(contenderModule(), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<ContenderNews>) => {
      if (data.type === "warm") warm.resolve();
      else fail(data.message);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    this.#worker.postMessage(order);
  }

  /** Asks it to leave, which it does after its run. */
  [Symbol.dispose](): void {
    this.#worker.postMessage("leave");
  }
}

/** Beside the sources this is TypeScript; in a shipped program a bundled module of that name. */
function contenderModule(): URL {
  const name = import.meta.url.endsWith(".ts") ? "./contender.ts" : "./contender.js";
  return new URL(name, import.meta.url);
}
