import { RavnError } from "../error.ts";
import type { ContenderNews, ContenderOrder } from "./contender.ts";
import { timeTraining } from "./time_training.ts";
import type { TimedTraining, TrainingTime } from "./time_training.ts";

/** A contender goes on for so many times the steps that are timed, so that they have company. */
const LONGER = 1.5;
/** Contenders must be warm, and done, within so much. */
const DEADLINE_MS = 20_000;

/**
 * Factor on the time of a step on one thread while others do the same at the same time, on threads
 * of this process with weights and memory of their own: what stages on one machine take from each
 * other where cores are siblings, or share caches and memory. At least 1.
 *
 * @param o the training that was timed alone, on a runtime of one thread
 * @param alone what that took
 * @param others how many do the same besides; at least 1
 * @throws {RavnError} where a thread does not start, or not end
 */
export async function timeContention(
  o: TimedTraining,
  alone: TrainingTime,
  others: number,
): Promise<number> {
  const { runtime: { library }, program, optimizer } = o;
  const updates = Math.ceil(LONGER * o.updates);
  const order = { library, program, optimizer, updates };
  using contenders = new DisposableStack();
  const started = Array.from(
    { length: others },
    () => contenders.use(new Contender(order)),
  );
  await Promise.all(started.map(({ warm }) => warm));
  const own = await timeTraining(o);
  const times = [own, ...await Promise.all(started.map(({ done }) => done))];
  // A machine's speed changes within seconds: what was found before alone may be of another time.
  const after = await timeTraining(o);
  const together_ms = times.reduce((sum, time) => sum + lengthOf(time), 0) / times.length;
  return Math.max(1, 2 * together_ms / (lengthOf(alone) + lengthOf(after)));
}

function lengthOf({ step_ms, update_ms }: TrainingTime): number {
  return step_ms + update_ms;
}

/** A thread that trains. */
class Contender implements Disposable {
  readonly warm: Promise<void>;
  readonly done: Promise<TrainingTime>;
  readonly #worker: Worker;

  constructor(order: ContenderOrder) {
    const warm = Promise.withResolvers<void>();
    const done = Promise.withResolvers<TrainingTime>();
    [this.warm, this.done] = [warm.promise, done.promise];
    // Whoever waits for the other one hears of it there.
    this.warm.catch(() => {});
    this.done.catch(() => {});
    const fail = (message: string) => {
      const error = new RavnError(`a thread that was to train beside others failed: ${message}`);
      warm.reject(error);
      done.reject(error);
    };
    const timer = setTimeout(() => fail(`nothing in ${DEADLINE_MS / 1000} s`), DEADLINE_MS);
    this.done.finally(() => clearTimeout(timer)).catch(() => {});
    this.#worker = new Worker(contenderModule(), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<ContenderNews>) => {
      if (data.type === "warm") warm.resolve();
      else if (data.type === "done") done.resolve(data.time);
      else fail(data.message);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    this.#worker.postMessage(order);
  }

  /** Asks it to leave: to end it in the middle of a run would end the process. */
  [Symbol.dispose](): void {
    this.#worker.postMessage("leave");
  }
}

/** Beside the sources this is TypeScript; in a shipped program a bundled module of that name. */
function contenderModule(): URL {
  const name = import.meta.url.endsWith(".ts") ? "./contender.ts" : "./contender.js";
  return new URL(name, import.meta.url);
}
