/** What a stage may wait for when it does nothing. */
export const WAITS = [
  /** For the run to begin, and for the others when it has done all. */
  "ends",
  "activations",
  "gradients",
  "norm",
  "average",
  "validation",
  /** For memory whose content is still being sent. */
  "sending",
] as const;

/** One of {@link WAITS}. */
export type WaitCause = typeof WAITS[number];

/** What one stage did with its time, and what it has seen. */
export class StageCounts {
  busy_ms = 0;
  readonly waits_ms: Record<WaitCause, number> = {
    ends: 0,
    activations: 0,
    gradients: 0,
    norm: 0,
    average: 0,
    validation: 0,
    sending: 0,
  };
  /** Micro-batches by the number of updates that their gradients came late. */
  readonly staleness: number[] = [];
  /** Micro-batches forwarded and not yet brought back, at most. */
  outstanding_most = 0;
  /** Messages that have come and were not needed yet, at most. */
  early_most = 0;
  /** When each update was made. */
  readonly updates_ms: number[] = [];
  #idle: { readonly cause: WaitCause; readonly since_ms: number } | undefined = {
    cause: "ends",
    since_ms: 0,
  };

  /** From now on the stage waits, for `cause`. */
  waits(cause: WaitCause, now_ms: number): void {
    if (this.#idle?.cause === cause) return;
    this.goesOn(now_ms);
    this.#idle = { cause, since_ms: now_ms };
  }

  /** The stage waits no longer. */
  goesOn(now_ms: number): void {
    if (this.#idle === undefined) return;
    this.waits_ms[this.#idle.cause] += now_ms - this.#idle.since_ms;
    this.#idle = undefined;
  }

  /** The gradients of a micro-batch went into an update so many updates after its forward. */
  late(updates: number): void {
    while (this.staleness.length <= updates) this.staleness.push(0);
    this.staleness[updates]!++;
  }
}
