import { RavnError } from "../error.ts";
import { VALIDATION_WINDOW } from "../pipeline/mod.ts";
import type { EvaluationStep, NormMessage, Place } from "../pipeline/mod.ts";
import type { StageEngine, StageManifest } from "../training/mod.ts";
import type { Closed, Control, Link, TensorHead } from "../../transport/mod.ts";
import { resolvesWithin } from "./deadline.ts";
import { checkTensors, exchangeWith, Heads, neighboursOf } from "./stage_frames.ts";
import type { Exchange, Parcel } from "./stage_frames.ts";

/** A link over which nothing can be sent is closed within this time, and says why. */
const CLOSING_MS = 3_000;

/** A stage that this one has a link to. */
export interface Peer {
  readonly stage: number;
  readonly link: Link;
  /** Node and address, for messages. */
  readonly name: string;
}

/** What the stage does about its mail. An error thrown here ends the run. */
export interface MailHandlers {
  arrived(head: TensorHead, from: number): void;
  begin(terms: string): void;
  evaluated(from: number, validation: number, batch: number): void;
  /** Stage `from` told a sum of squared gradients of `update`. */
  norm(from: number, update: number, squares: number): void;
  closed(peer: Peer, closed: Closed): void;
  failed(error: Error): void;
  /** Number of validation batch `batch` over all validations. */
  validationSequence(validation: number, batch: number): number;
}

interface Route extends Peer {
  readonly exchange: Exchange;
  readonly forward: Heads;
  readonly backward: Heads;
  readonly evaluate: Heads;
}

/** What `StageMail` needs of the stage. */
export interface MailOptions {
  readonly manifest: StageManifest;
  readonly executor: StageEngine;
  /** Links to all producers and consumers, by stage. */
  readonly links: ReadonlyMap<number, Link>;
  readonly handlers: MailHandlers;
}

/**
 * The messages of one stage: says where arriving tensors belong in the executor's memory, and sends
 * what the executor has computed from where it lies.
 */
export class StageMail {
  readonly producers: readonly number[];
  readonly consumers: readonly number[];
  readonly #manifest: StageManifest;
  readonly #executor: StageEngine;
  readonly #handlers: MailHandlers;
  readonly #routes: ReadonlyMap<number, Route>;
  readonly #relayed: ReadonlySet<string>;
  readonly #sending = new Set<Promise<void>>();
  /** Sends of gradients that are under way, by micro-batch. */
  readonly #gradients = new Map<number, Promise<void[]>>();

  constructor({ manifest, executor, links, handlers }: MailOptions) {
    this.#manifest = manifest;
    this.#executor = executor;
    this.#handlers = handlers;
    this.#relayed = new Set(manifest.relays.map(({ value }) => value));
    const { producers, consumers } = neighboursOf(manifest);
    this.producers = producers;
    this.consumers = consumers;
    this.#routes = new Map([...new Set([...producers, ...consumers])].map((stage) => {
      const link = links.get(stage);
      if (link === undefined) throw new Error(`no link to stage ${stage}`);
      const exchange = exchangeWith(manifest, stage);
      return [stage, {
        stage,
        link,
        name: `${link.peer.nodeId} at ${link.peer.address}`,
        exchange,
        forward: new Heads("forward", exchange.sends),
        backward: new Heads("backward", exchange.gradientsOut),
        evaluate: new Heads("evaluate", exchange.sends),
      }];
    }));
  }

  /** All stages that this one has a link to. */
  get peers(): readonly Peer[] {
    return [...this.#routes.values()];
  }

  /** The stage `stage`, which has a link to this one. */
  peer(stage: number): Peer {
    return this.#route(stage);
  }

  /** Begins to take in messages. */
  open(): void {
    for (const route of this.#routes.values()) {
      route.link.start({
        place: (head) => this.#place(route, head),
        arrived: (head) => this.#guard(() => this.#handlers.arrived(head, route.stage)),
        control: (message) => this.#guard(() => this.#control(route, message)),
      });
      route.link.closed.then((closed) => this.#handlers.closed(route, closed));
    }
  }

  /** Passes the terms of the run on to the stages that read from this one. */
  sendBegin(text: string): void {
    for (const { link } of this.#to(this.consumers)) {
      this.#track(link, link.control({ kind: "begin", step: 0, epoch: 0, values: [], text }));
    }
  }

  /** Tells another stage a sum of squared gradients. */
  sendNorm({ to, update, squares }: NormMessage): void {
    const { link } = this.#route(to);
    const message = { kind: "norm", step: update, epoch: 0, values: [squares], text: "" } as const;
    this.#track(link, link.control(message));
  }

  /** Sends the outputs of micro-batch `m`, and the data passed on with it. */
  sendForward(m: number, { epoch, samples }: Place, weightVersion: number): void {
    for (const { link, forward, exchange } of this.#to(this.consumers)) {
      const head = forward.head({ microBatch: m, step: epoch, weightVersion, samples });
      const data = exchange.sends.map(({ name }) =>
        this.#relayed.has(name)
          ? this.#executor.input(m, name, samples)
          : this.#executor.output(m, name, samples)
      );
      this.#track(link, link.send(head, data));
    }
  }

  /** Sends back the gradients of what arrived with micro-batch `m`. */
  sendBackward(m: number, { epoch, samples }: Place, weightVersion: number): void {
    const sends = this.#to(this.producers).map(({ link, backward, exchange }) => {
      const head = backward.head({ microBatch: m, step: epoch, weightVersion, samples });
      const data = exchange.gradientsOut.map(({ port }) =>
        this.#executor.gradientOut(m, port.value, samples)
      );
      return this.#track(link, link.send(head, data));
    });
    this.#gradients.set(m, Promise.all(sends));
  }

  /** Resolves when the memory in which backward `m` will leave its gradients has been sent. */
  async gradientsSent(m: number): Promise<void> {
    const before = m - this.#executor.gradientSlots;
    await this.#gradients.get(before);
    this.#gradients.delete(before);
  }

  /** Sends the outputs of a validation batch on, and tells the senders that it is done. */
  sendValidation(step: EvaluationStep, slot: number, samples: number): void {
    const { validation, version, batch } = step;
    for (const { link, evaluate, exchange } of this.#to(this.consumers)) {
      const head = evaluate.head({
        microBatch: batch,
        step: validation,
        weightVersion: version,
        samples,
      });
      const data = exchange.sends.map(({ name }) =>
        this.#relayed.has(name)
          ? this.#executor.validationInput(slot, name, samples)
          : this.#executor.validationOutput(slot, name, samples)
      );
      this.#track(link, link.send(head, data));
    }
    for (const { link } of this.#to(this.producers)) {
      const control = { kind: "evaluated", step: validation, epoch: batch } as const;
      this.#track(link, link.control({ ...control, values: [], text: "" }));
    }
  }

  /** Begins to take in what has come while the stage computed. */
  look(): void {
    for (const { link } of this.#routes.values()) link.look();
  }

  /** Resolves when everything has been sent. */
  async flushed(): Promise<void> {
    await Promise.all(this.#sending);
  }

  /** Tells all peers that the run has failed, and why. */
  async fail(message: string): Promise<void> {
    await Promise.all(this.#to(this.#routes.keys()).map(({ link }) => link.fail(message)));
  }

  #route(stage: number): Route {
    const route = this.#routes.get(stage);
    if (route === undefined) throw new Error(`no link to stage ${stage}`);
    return route;
  }

  #to(stages: Iterable<number>): Route[] {
    return [...stages].map((stage) => this.#route(stage));
  }

  #guard(handle: () => void): void {
    try {
      handle();
    } catch (thrown) {
      this.#handlers.failed(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  #track(link: Link, sent: Promise<void>): Promise<void> {
    const tracked: Promise<void> = sent
      .catch((error) => this.#unsent(link, error))
      .finally(() => this.#sending.delete(tracked));
    this.#sending.add(tracked);
    return tracked;
  }

  /** What the peer said before it closed tells more than that it takes nothing any more. */
  async #unsent(link: Link, error: Error): Promise<void> {
    if (!await resolvesWithin(CLOSING_MS, link.closed)) this.#handlers.failed(error);
  }

  #control(route: Route, { kind, text, step, epoch, values }: Control): void {
    if (kind === "begin") this.#handlers.begin(text);
    else if (kind === "norm") this.#handlers.norm(route.stage, step, values[0] ?? NaN);
    else if (kind === "evaluated") this.#handlers.evaluated(route.stage, step, epoch);
    else throw new RavnError(`${route.name} sent "${kind}", which this run has no use for`);
  }

  #place({ exchange, name: sender }: Route, head: TensorHead): Uint8Array[] {
    const { samples, microBatch: m } = head;
    const executor = this.#executor;
    const { batch } = this.#manifest;
    if (samples < 1 || samples > batch) {
      throw new RavnError(`${sender} sent ${samples} samples, the plan is for 1 to ${batch}`);
    }
    const check = (parcels: readonly Parcel[]) => {
      checkTensors(head, parcels, sender);
      return parcels;
    };
    switch (head.kind) {
      case "forward":
        return check(exchange.receives).map(({ name }) => executor.input(m, name, samples));
      case "backward":
        return check(exchange.gradientsIn)
          .map(({ port }) => executor.gradientIn(m, port.value, samples));
      case "evaluate": {
        const slot = this.#handlers.validationSequence(head.step, m) % VALIDATION_WINDOW;
        return check(exchange.receives)
          .map(({ name }) => executor.validationInput(slot, name, samples));
      }
      default:
        throw new RavnError(`${sender} sent "${head.kind}", which this run has no use for`);
    }
  }
}
