import { setImmediate } from "node:timers";

/** Resolves when the event loop has gone around once. */
export function eventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
