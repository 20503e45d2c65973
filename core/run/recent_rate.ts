/** How many a millisecond there were lately: a mean over the last events within a window. */
export class RecentRate {
  readonly #window_ms: number;
  /** A ring of the events in the window, and of the one before them. */
  #at_ms = new Float64Array(64);
  #counts = new Float64Array(64);
  #first = 0;
  #length = 0;
  #sum = 0;

  constructor(window_ms: number) {
    this.#window_ms = window_ms;
  }

  /** Begins anew at `now_ms`. */
  begin(now_ms: number): void {
    this.#length = 0;
    this.#sum = 0;
    this.#push(now_ms, 0);
  }

  /** Adds `count` at `now_ms`, and gives the mean per millisecond. */
  add(now_ms: number, count: number): number {
    this.#push(now_ms, count);
    while (this.#length > 2 && now_ms - this.#at_ms[this.#first]! > this.#window_ms) {
      this.#first = (this.#first + 1) % this.#at_ms.length;
      this.#length--;
      this.#sum -= this.#counts[this.#first]!;
    }
    const span_ms = now_ms - this.#at_ms[this.#first]!;
    return span_ms > 0 ? this.#sum / span_ms : 0;
  }

  /** The first event of all only marks where the time begins: its count is in no sum. */
  #push(now_ms: number, count: number): void {
    if (this.#length === this.#at_ms.length) this.#grow();
    const at = (this.#first + this.#length) % this.#at_ms.length;
    this.#at_ms[at] = now_ms;
    this.#counts[at] = count;
    if (this.#length > 0) this.#sum += count;
    this.#length++;
  }

  #grow(): void {
    const unrolled = (ring: Float64Array<ArrayBuffer>) => {
      const longer = new Float64Array(2 * ring.length);
      for (let i = 0; i < ring.length; i++) longer[i] = ring[(this.#first + i) % ring.length]!;
      return longer;
    };
    this.#at_ms = unrolled(this.#at_ms);
    this.#counts = unrolled(this.#counts);
    this.#first = 0;
  }
}
