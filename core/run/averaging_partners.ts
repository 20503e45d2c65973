import type { Holder } from "../collective/mod.ts";
import { RavnError } from "../error.ts";
import type { Closed, Control, Link, TensorHead } from "../../transport/mod.ts";
import { resolvesWithin } from "./deadline.ts";

/** A link over which nothing can be sent is closed within this time, and says why. */
const CLOSING_MS = 3_000;

/** A node of another cluster with which this one exchanges pieces. */
export interface Partner extends Holder {
  readonly link: Link;
  /** Node and address, for messages. */
  readonly name: string;
}

/** What is done about the partners' messages. An error thrown here ends the run. */
export interface PartnerHandlers {
  place(partner: Partner, head: TensorHead): Uint8Array[];
  arrived(partner: Partner, head: TensorHead): void;
  /** A partner has said goodbye. */
  left(): void;
  /** The link to a partner is closed, and not by a goodbye. */
  closed(partner: Partner, closed: Closed): void;
  failed(error: Error): void;
}

/**
 * The nodes of other clusters with which a node averages: takes in what they send, and compares
 * with them what they train by.
 */
export class AveragingPartners {
  readonly all: readonly Partner[];
  /** Name of this node. */
  readonly #node: string;
  readonly #handlers: PartnerHandlers;
  readonly #left = new Set<Partner>();
  /** What the partners train by, until this node knows what it trains by itself. */
  readonly #told = new Map<Partner, string>();
  #terms: string | undefined;

  constructor(node: string, partners: readonly Partner[], handlers: PartnerHandlers) {
    this.#node = node;
    this.all = partners;
    this.#handlers = handlers;
  }

  /** Begins to take in messages. */
  open(): void {
    const handlers = this.#handlers;
    for (const partner of this.all) {
      partner.link.start({
        place: (head) => handlers.place(partner, head),
        arrived: (head) => this.#guard(() => handlers.arrived(partner, head)),
        control: (message) => this.#guard(() => this.#control(partner, message)),
      });
      partner.link.closed.then((closed) => {
        this.#left.add(partner);
        if (closed.kind === "bye") handlers.left();
        else handlers.closed(partner, closed);
      });
    }
  }

  /**
   * Tells what this node trains by, a JSON object, and compares it with what the partners tell.
   *
   * @throws {RavnError} naming a partner that trains by something else, with both
   */
  begin(terms: string): void {
    this.#terms = terms;
    const message = { kind: "begin", step: 0, epoch: 0, values: [], text: terms } as const;
    for (const partner of this.all) {
      partner.link.control(message).catch((error) => this.unsent(partner, error));
      this.#compare(partner);
    }
  }

  /** Begins to take in what has come while the stage computed. */
  look(): void {
    for (const { link } of this.all) link.look();
  }

  /** Whether a partner has said goodbye. */
  hasLeft(partner: Partner): boolean {
    return this.#left.has(partner);
  }

  /** What the partner said before it closed tells more than that it takes nothing any more. */
  async unsent({ link }: Partner, error: Error): Promise<void> {
    if (!await resolvesWithin(CLOSING_MS, link.closed)) this.#handlers.failed(error);
  }

  /** Tells all partners that the run has failed, and why. */
  async fail(message: string): Promise<void> {
    await Promise.all(this.all.map(({ link }) => link.fail(message)));
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    await Promise.all(this.all.map(({ link }) => link.close()));
  }

  #control(partner: Partner, { kind, text }: Control): void {
    if (kind !== "begin") {
      throw new RavnError(`${partner.name} sent "${kind}", which this run has no use for`);
    }
    this.#told.set(partner, text);
    this.#compare(partner);
  }

  #compare(partner: Partner): void {
    const told = this.#told.get(partner);
    if (told === undefined || this.#terms === undefined || told === this.#terms) return;
    const [theirs, ours] = [told, this.#terms].map((text) => JSON.parse(text) as object);
    const other = new Map(Object.entries(theirs!));
    const [key, value] = Object.entries(ours!)
      .find(([key, value]) => JSON.stringify(value) !== JSON.stringify(other.get(key))) ?? [];
    const shown = (value: unknown) => JSON.stringify(value) ?? "none";
    throw new RavnError(
      `${partner.name} trains with ${key} ${shown(other.get(key ?? ""))}, ${this.#node} with ` +
        `${shown(value)}; use one ravn.yaml and the same data in all clusters`,
    );
  }

  #guard(handle: () => void): void {
    try {
      handle();
    } catch (thrown) {
      this.#handlers.failed(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }
}
