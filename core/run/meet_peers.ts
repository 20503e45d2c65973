import { EXIT, messageOf, RavnError } from "../error.ts";
import { createShared, openShared } from "../runtime/mod.ts";
import type { StageManifest } from "../training/mod.ts";
import { dial, listen, parseAddress } from "../../transport/mod.ts";
import type { Closed, Link, Session, Sockets } from "../../transport/mod.ts";
import { resolvesWithin } from "./deadline.ts";
import type { RunHost } from "./events.ts";
import type { NodeFile } from "./node_data.ts";
import { neighboursOf } from "./stage_frames.ts";

/** Peers of one host pass tensors through memory. */
const MEMORY = { create: createShared, open: openShared };
/** Time between two words about a peer that has not come. */
const REMIND_MS = 2000;
/** How long those that have come are told that others have not. */
const FAREWELL_MS = 500;

/** Whom to meet, and how. */
export interface MeetingOptions {
  readonly node: NodeFile;
  readonly manifest: StageManifest;
  readonly token: string;
  /** How long to wait for everybody. */
  readonly timeout_s: number;
  /** Silence after which a peer counts as lost. */
  readonly silence_s: number;
  readonly sockets: Sockets;
  readonly host: RunHost;
}

type Peer = NodeFile["peers"][number];

/** The links of a stage, for as long as it runs. */
export interface Meeting extends AsyncDisposable {
  /** Links by stage. */
  readonly links: ReadonlyMap<number, Link>;
}

/**
 * Connects a stage to all stages with which it exchanges tensors, whoever starts first: it dials
 * the later ones and lets the earlier ones in. It keeps its port until the meeting is disposed of,
 * so that a node that is started twice learns so at once.
 *
 * @throws {RavnError} when the port is taken, a peer does not come in time, leaves before all have
 * come, or has another token or plan; the peers that have come are told
 */
export async function meetPeers(o: MeetingOptions): Promise<Meeting> {
  const { node, manifest } = o;
  const { producers, consumers } = neighboursOf(manifest);
  const links = new Map<number, Link>();
  if (producers.length + consumers.length === 0) {
    return { links, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const session: Session = {
    self: { nodeId: node.name, address: addressOf(o, node.stage).address },
    token: o.token,
    runHash: node.plan_hash,
  };
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, o.host.signal]);
  const left = Promise.withResolvers<never>();
  const came = (stage: number, link: Link) => {
    links.set(stage, link);
    link.closed.then((closed) => left.reject(leftEarly(link, closed)));
  };
  const arrivals = new Arrivals(o, producers, came);
  const listener = await listen({
    session,
    host: node.local_host,
    port: parseAddress(session.self.address).port,
    sockets: o.sockets,
    limits: limitsOf(o),
    memory: MEMORY,
    onLink: (link) => arrivals.came(link),
    onRefused: ({ message }) => o.host.emit({ event: "warning", message }),
  });
  const dialled = consumers.map(async (stage) => {
    came(stage, await dialStage(o, session, stage, signal));
  });
  try {
    await Promise.race([Promise.all([arrivals.all(signal), ...dialled]), left.promise]);
    return { links, [Symbol.asyncDispose]: () => listener.close() };
  } catch (thrown) {
    stop.abort(thrown);
    const error = o.host.signal.aborted
      ? new RavnError("stopped by the user", { exitCode: EXIT.interrupted })
      : thrown;
    const told = [...links.values()].map((link) => link.fail(messageOf(error)));
    await resolvesWithin(FAREWELL_MS, Promise.all(told));
    await listener.close();
    throw error;
  }
}

function leftEarly({ peer }: Link, closed: Closed): RavnError {
  const reason = closed.kind === "lost"
    ? closed.error.message
    : closed.kind === "bye"
    ? closed.reason
    : closed.message;
  return new RavnError(
    `${peer.nodeId} at ${peer.address} left before all nodes had met: ${reason}`,
    { exitCode: EXIT.failure },
  );
}

function addressOf({ node }: MeetingOptions, stage: number): Peer {
  return node.peers.find((peer) => peer.stage === stage)!;
}

function limitsOf({ silence_s }: MeetingOptions) {
  return { silence_ms: silence_s * 1000 };
}

function dialStage(
  o: MeetingOptions,
  session: Session,
  stage: number,
  signal: AbortSignal,
): Promise<Link> {
  const { name, address } = addressOf(o, stage);
  return dial({
    session,
    peer: { nodeId: name, address },
    sockets: o.sockets,
    deadline_ms: o.timeout_s * 1000,
    signal,
    limits: limitsOf(o),
    memory: MEMORY,
    onWaiting: (attempt) => waiting(o, { stage, name, address }, attempt),
  });
}

function waiting({ node, host }: MeetingOptions, { name, address }: Peer, attempt: number): void {
  host.emit({ event: "waiting", node: node.name, peer: name, address, attempt });
}

/** The earlier stages, which dial this one. */
class Arrivals {
  readonly #o: MeetingOptions;
  readonly #expected: Map<string, number>;
  readonly #came: (stage: number, link: Link) => void;
  #arrived: () => void = () => {};

  constructor(
    o: MeetingOptions,
    stages: readonly number[],
    came: (stage: number, link: Link) => void,
  ) {
    this.#o = o;
    this.#came = came;
    this.#expected = new Map(stages.map((stage) => [addressOf(o, stage).name, stage]));
  }

  came(link: Link): void {
    const stage = this.#expected.get(link.peer.nodeId);
    if (stage === undefined) {
      link.fail(`${this.#o.node.name} does not expect ${link.peer.nodeId}, or has it already`);
      return;
    }
    this.#expected.delete(link.peer.nodeId);
    this.#came(stage, link);
    this.#arrived();
  }

  /** Resolves when all have come. */
  async all(signal: AbortSignal): Promise<void> {
    const { timeout_s } = this.#o;
    const end_ms = performance.now() + timeout_s * 1000;
    for (let attempt = 0; this.#expected.size > 0; attempt++) {
      signal.throwIfAborted();
      const left_ms = end_ms - performance.now();
      const missing = [...this.#expected.values()].map((stage) => addressOf(this.#o, stage));
      if (left_ms <= 0) throw this.#nobodyCame(missing);
      if (attempt > 0) { for (const peer of missing) waiting(this.#o, peer, attempt); }
      await this.#pause(Math.min(REMIND_MS, left_ms), signal);
    }
  }

  #nobodyCame(peers: readonly Peer[]): RavnError {
    const { node, timeout_s } = this.#o;
    const missing = peers.map(({ name, address }) => `${name} at ${address}`).join(" and ");
    return new RavnError(
      `${node.name} waited ${timeout_s} s for ${missing} to connect; is it started, with the ` +
        `same plan, and can it reach ${addressOf(this.#o, node.stage).address}?`,
      { exitCode: EXIT.failure },
    );
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
      this.#arrived = done;
    });
  }
}
