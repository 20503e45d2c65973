interface Event {
  readonly time_ms: number;
  /** Events of one time happen in the order in which they were put in. */
  readonly order: number;
  readonly act: () => void;
}

function isBefore(a: Event, b: Event): boolean {
  return a.time_ms < b.time_ms || (a.time_ms === b.time_ms && a.order < b.order);
}

/** What is to happen on virtual time, as a binary heap: the earliest first, ties in their order. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #order = 0;
  #now_ms = 0;

  /** The time of the event that happens now, ms. */
  get now_ms(): number {
    return this.#now_ms;
  }

  /** Events that have been put in since the beginning. */
  get count(): number {
    return this.#order;
  }

  /**
   * Lets `act` happen at a time.
   *
   * @throws {RangeError} where that is past, or no time
   */
  at(time_ms: number, act: () => void): void {
    if (!(time_ms >= this.#now_ms && time_ms < Infinity)) {
      throw new RangeError(`an event at ${time_ms} ms, when it is ${this.#now_ms} ms`);
    }
    const heap = this.#heap;
    const event = { time_ms, order: this.#order++, act };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** Lets `act` happen after a while. */
  after(ms: number, act: () => void): void {
    this.at(this.#now_ms + ms, act);
  }

  /** Lets everything happen, and what comes of it, until nothing is left. */
  run(): void {
    for (let event = this.#take(); event !== undefined; event = this.#take()) {
      this.#now_ms = event.time_ms;
      event.act();
    }
  }

  #take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right]!, heap[child]!)) child = right;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
