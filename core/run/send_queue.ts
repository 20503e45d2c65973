import type { Link, TensorHead } from "../../transport/mod.ts";

/** Messages that are given to a link at one time; its own queue is bounded. */
const UNDER_WAY = 8;

interface Message {
  readonly head: TensorHead;
  readonly bytes: Uint8Array;
  readonly sent: () => void;
}

/** Sends any number of messages over a link, a few at a time, in the order in which they came. */
export class SendQueue {
  readonly #link: Link;
  readonly #failed: (error: Error) => void;
  readonly #waiting: Message[] = [];
  #underWay = 0;

  /** @param failed told of what could not be sent */
  constructor(link: Link, failed: (error: Error) => void) {
    this.#link = link;
    this.#failed = failed;
  }

  /** True when everything has been sent, and the memory that it lay in may be used again. */
  get isEmpty(): boolean {
    return this.#underWay === 0;
  }

  /** Sends one tensor, which must not change until `sent` is called. */
  send(head: TensorHead, bytes: Uint8Array, sent: () => void): void {
    this.#waiting.push({ head, bytes, sent });
    this.#pump();
  }

  #pump(): void {
    while (this.#underWay < UNDER_WAY && this.#waiting.length > 0) {
      this.#underWay++;
      this.#send(this.#waiting.shift()!);
    }
  }

  async #send({ head, bytes, sent }: Message): Promise<void> {
    try {
      await this.#link.send(head, [bytes]);
    } catch (thrown) {
      this.#failed(thrown instanceof Error ? thrown : new Error(String(thrown)));
      return;
    }
    this.#underWay--;
    this.#pump();
    sent();
  }
}
