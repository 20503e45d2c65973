import { RavnError } from "../error.ts";
import type { Closed, Control, Link, TensorHead } from "../../transport/mod.ts";

/** Bytes of one message, at most: what is asked of a peer is bounded. */
export const ECHO_BYTES_MAX = 16 << 20;
/** A slow link is measured with fewer bytes: more are sent until one way takes so long. */
const ENOUGH_MS = 150;
const FIRST_BYTES = 64 << 10;
/** A message of the last size is sent again so often, unless it takes long. */
const REPEATS = 3;
const TOO_LONG_MS = 400;
/** Bytes of the smallest message. */
const LEAST_BYTES = 8;
/** Times there and back of which the middle one is the latency. */
const ROUND_TRIPS = 15;

/** What was measured of a link, in both directions. */
export interface LinkMeasurement {
  /** One way, ms. */
  readonly latency_ms: number;
  /** Mbit/s (10⁶ bits) from this node to the other one. */
  readonly out_mbps: number;
  /** Mbit/s from the other node to this one. */
  readonly in_mbps: number;
}

/**
 * One end of a link that answers every message with one of the size that was asked for. It owns the
 * link's receiver; control messages are passed on.
 */
export class Echo {
  readonly link: Link;
  readonly #answers = new Map<number, { resolve(): void; reject(error: Error): void }>();
  #asked = 0;
  #over: Error | undefined;
  #outgoing = new Uint8Array(LEAST_BYTES);
  #incoming = new Uint8Array(LEAST_BYTES);

  /** @param control what becomes of control messages; none is expected if absent */
  constructor(link: Link, control: (message: Control) => void = () => {}) {
    this.link = link;
    link.start({
      place: (head) => [this.#place(head)],
      arrived: (head) => this.#arrived(head),
      control,
    });
    link.closed.then((closed) => this.#ended(closed));
  }

  /**
   * Sends a message, waits for its answer, and tells how long that took, ms.
   *
   * @throws {RavnError} where the link ends before
   */
  async roundTrip(bytes: number, answer: number): Promise<number> {
    if (this.#over !== undefined) throw this.#over;
    const step = this.#asked++;
    const answered = new Promise<void>((resolve, reject) => {
      this.#answers.set(step, { resolve, reject });
    });
    const start_ms = performance.now();
    await Promise.all([this.#send({ step, samples: answer, weightVersion: 0 }, bytes), answered]);
    return performance.now() - start_ms;
  }

  /** Measures latency and rates, within about a second on any link. */
  async measure(): Promise<LinkMeasurement> {
    const trips: number[] = [];
    for (let i = 0; i < ROUND_TRIPS; i++) {
      trips.push(await this.roundTrip(LEAST_BYTES, LEAST_BYTES));
    }
    const trip_ms = trips.sort((a, b) => a - b)[ROUND_TRIPS >> 1]!;
    const out_mbps = await this.#rate(trip_ms, (bytes) => this.roundTrip(bytes, LEAST_BYTES));
    const in_mbps = await this.#rate(trip_ms, (bytes) => this.roundTrip(LEAST_BYTES, bytes));
    return { latency_ms: trip_ms / 2, out_mbps, in_mbps };
  }

  /** Rate of ever larger messages, until they take long enough to tell: then the best of some. */
  async #rate(trip_ms: number, send: (bytes: number) => Promise<number>): Promise<number> {
    for (let bytes = FIRST_BYTES;; bytes = Math.min(4 * bytes, ECHO_BYTES_MAX)) {
      let took_ms = await send(bytes);
      if (took_ms < ENOUGH_MS && bytes < ECHO_BYTES_MAX) continue;
      // The first one of a size finds memory that was never touched.
      for (let i = 0; i < REPEATS && took_ms < TOO_LONG_MS; i++) {
        took_ms = Math.min(took_ms, await send(bytes));
      }
      return bytes * 8 / 1000 / Math.max(took_ms - trip_ms, 1e-3);
    }
  }

  async #send(
    of: Pick<TensorHead, "step" | "samples" | "weightVersion">,
    bytes: number,
  ): Promise<void> {
    if (this.#outgoing.length < bytes) this.#outgoing = new Uint8Array(bytes);
    const tensors = [{ name: "echo", dtype: "uint8", dims: [bytes] }] as const;
    const head: TensorHead = { kind: "weights", microBatch: 0, ...of, tensors };
    await this.link.send(head, [this.#outgoing.subarray(0, bytes)]);
  }

  #place({ kind, samples, tensors }: TensorHead): Uint8Array {
    const [only] = tensors;
    const bytes = only?.dims[0] ?? 0;
    const isEcho = kind === "weights" && tensors.length === 1 && only?.dtype === "uint8" &&
      only.dims.length === 1 && bytes <= ECHO_BYTES_MAX && samples <= ECHO_BYTES_MAX;
    if (!isEcho) {
      const { nodeId } = this.link.peer;
      throw new RavnError(
        `${nodeId} sent "${kind}" while links are measured; expected bytes to be sent back: is ` +
          `it started with ravn probe?`,
      );
    }
    if (this.#incoming.length < bytes) this.#incoming = new Uint8Array(bytes);
    return this.#incoming.subarray(0, bytes);
  }

  #arrived({ step, samples, weightVersion }: TensorHead): void {
    if (weightVersion === 0) {
      // If it cannot be sent the link is over, and whoever asked learns it from that.
      this.#send({ step, samples: 0, weightVersion: 1 }, samples).catch(() => {});
      return;
    }
    this.#answers.get(step)?.resolve();
    this.#answers.delete(step);
  }

  #ended(closed: Closed): void {
    const { nodeId, address } = this.link.peer;
    this.#over = closed.kind === "bye"
      ? new RavnError(`${nodeId} at ${address} left: ${closed.reason}`)
      : closed.error;
    for (const { reject } of this.#answers.values()) reject(this.#over);
    this.#answers.clear();
  }
}
