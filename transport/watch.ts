import type { Limits } from "./limits.ts";

/** What a {@linkcode Watch} looks at. */
export interface Watched {
  /** Bytes that came from the peer. */
  received(): number;
  /** Bytes that went to the peer. */
  sent(): number;
  /** Anything that shows that the peer takes what is sent to it. It need not grow. */
  progress(): number;
  /** Something waits to be sent. */
  isWaiting(): boolean;
  /** The connection is being read, so that silence means something. */
  isListening(): boolean;
  /** The end is decided, and only the goodbye is awaited. */
  isLeaving(): boolean;
  /** A sign of life is due. */
  ping(): void;
  expired(why: "silent" | "stalled" | "left"): void;
}

/** A number, and for how long at least it has not changed. */
class Still {
  ms = 0;
  #last = -1;

  update(value: number, elapsed_ms: number): number {
    this.ms = value === this.#last ? this.ms + elapsed_ms : 0;
    this.#last = value;
    return this.ms;
  }
}

/**
 * All deadlines of a link on one timer. Time during which this process itself could not run is not
 * held against the peer: whatever passed between two ticks counts as two periods at most.
 */
export class Watch {
  readonly #limits: Limits;
  readonly #watched: Watched;
  readonly #period_ms: number;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #received = new Still();
  readonly #sent = new Still();
  readonly #progress = new Still();
  #leaving_ms = 0;
  #last_ms = performance.now();

  constructor(limits: Limits, watched: Watched) {
    this.#limits = limits;
    this.#watched = watched;
    const { ping_ms, silence_ms, close_ms } = limits;
    this.#period_ms = Math.max(5, Math.min(ping_ms / 4, silence_ms / 16, close_ms / 4));
    this.#timer = setInterval(() => this.#tick(), this.#period_ms);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now_ms = performance.now();
    const real_ms = now_ms - this.#last_ms;
    const elapsed_ms = Math.min(real_ms, 2 * this.#period_ms);
    this.#last_ms = now_ms;
    const watched = this.#watched;
    const limits = this.#limits;
    const isWaiting = watched.isWaiting();
    const stalled_ms = this.#progress.update(watched.progress(), isWaiting ? elapsed_ms : 0);
    if (watched.isLeaving()) {
      // First what waits is sent, then the peer has a moment to agree.
      this.#leaving_ms = isWaiting ? 0 : this.#leaving_ms + elapsed_ms;
      const isStuck = isWaiting && stalled_ms >= limits.silence_ms;
      if (isStuck || this.#leaving_ms >= limits.close_ms) watched.expired("left");
      return;
    }
    const received = watched.received();
    const sent = watched.sent();
    const silent_ms = this.#received.update(received, watched.isListening() ? elapsed_ms : 0);
    if (silent_ms >= limits.silence_ms) return watched.expired("silent");
    if (isWaiting && stalled_ms >= limits.send_ms) return watched.expired("stalled");
    // The peer counts every moment in which it hears nothing, so here the real time counts: whoever
    // was busy for long gives a sign of life at the first chance.
    const quiet_ms = this.#sent.update(sent, real_ms) || real_ms;
    if (quiet_ms + this.#period_ms >= limits.ping_ms) watched.ping();
  }
}
