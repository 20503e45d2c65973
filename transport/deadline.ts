/**
 * Waits for `work` for at most `ms` milliseconds. When the time is over, or `signal` says so,
 * `cancel` is called, which has to make `work` end, and the wait throws.
 *
 * @throws {DeadlineExceeded} when the time is over; the reason of `signal` when it is aborted.
 */
export async function withDeadline<T>(
  work: Promise<T>,
  o: { ms: number; what: string; cancel: () => void; signal?: AbortSignal | undefined },
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = (reason: unknown) => {
    reject(reason);
    o.cancel();
  };
  const onAbort = () => end(o.signal?.reason);
  const timer = setTimeout(
    () => end(new DeadlineExceeded(`${o.what} took longer than ${o.ms / 1000} s`)),
    o.ms,
  );
  o.signal?.addEventListener("abort", onAbort);
  if (o.signal?.aborted) onAbort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    o.signal?.removeEventListener("abort", onAbort);
    work.catch(() => {});
  }
}

/** A wait took too long. */
export class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";
}

/** Resolves after `ms` milliseconds. @throws the reason of `signal` when it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}
