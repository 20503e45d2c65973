import type { Device } from "./provider.ts";

/** Runs on threads of their own that have not ended, and how to stop each. */
const underWay = new Map<Promise<unknown>, () => void>();

/** Notes a run until it ends. It must not be under way when the process leaves. */
export async function noted<T>(run: Promise<T>, cancel: () => void): Promise<T> {
  underWay.set(run, cancel);
  try {
    return await run;
  } finally {
    underWay.delete(run);
  }
}

/**
 * Stops every run of this process at its next operator and waits until all have ended. Memory that
 * a run works on must not go away under it, so call this before the process leaves early.
 */
export async function cancelRuns(): Promise<void> {
  for (const cancel of underWay.values()) cancel();
  await Promise.allSettled([...underWay.keys()]);
}

/** A lock that every run on `device` holds, where it takes one at a time. */
export function lockOf(device: Device): Lock | undefined {
  return device === "webgpu" ? webGpuLock : undefined;
}

/** Lets one at a time in, in the order of asking. */
export class Lock {
  #last: Promise<unknown> = Promise.resolve();
  #held = 0;

  /** Whether somebody is inside or waits. */
  get held(): boolean {
    return this.#held > 0;
  }

  /** Does `work` when all before have ended, well or badly. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#held++;
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      return await work();
    } finally {
      this.#held--;
      resolve();
    }
  }
}

/** ONNX Runtime's WebGPU provider crashes when two threads use it, even in different sessions. */
const webGpuLock = new Lock();
