import { RavnError } from "../error.ts";
import type { StageManifest } from "../training/mod.ts";
import { dial, listen, parseAddress } from "../../transport/mod.ts";
import type { Link, Session, Sockets } from "../../transport/mod.ts";
import type { RunHost } from "./events.ts";
import type { NodeFile } from "./node_data.ts";
import { neighboursOf } from "./stage_frames.ts";

/** Time between two words about a peer that has not come. */
const REMIND_MS = 2000;

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

/**
 * Connects a stage to all stages with which it exchanges tensors, whoever starts first: it dials the
 * later ones and lets the earlier ones in.
 *
 * @returns links by stage
 * @throws {RavnError} when the port is taken, a peer does not come in time, or has another token or plan
 */
export async function meetPeers(o: MeetingOptions): Promise<Map<number, Link>> {
  const { node, manifest } = o;
  const { producers, consumers } = neighboursOf(manifest);
  const links = new Map<number, Link>();
  if (producers.length + consumers.length === 0) return links;
  const session: Session = {
    self: { nodeId: node.name, address: addressOf(o, node.stage).address },
    token: o.token,
    runHash: node.plan_hash,
  };
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, o.host.signal]);
  const arrivals = new Arrivals(o, producers);
  const listener = await listen({
    session,
    host: node.local_host,
    port: parseAddress(session.self.address).port,
    sockets: o.sockets,
    limits: limitsOf(o),
    onLink: (link) => arrivals.came(link),
    onRefused: ({ message }) => o.host.emit({ event: "warning", message }),
  });
  try {
    const met = await Promise.all([
      arrivals.all(signal),
      ...consumers.map(async (stage): Promise<[number, Link][]> => [
        [stage, await dialStage(o, session, stage, signal)],
      ]),
    ]);
    for (const [stage, link] of met.flat()) links.set(stage, link);
    return links;
  } catch (thrown) {
    stop.abort(thrown);
    if (o.host.signal.aborted) throw new RavnError("stopped by the user", { exitCode: 130 });
    throw thrown;
  } finally {
    listener.close();
  }
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
  readonly #links: [number, Link][] = [];
  #arrived: () => void = () => {};

  constructor(o: MeetingOptions, stages: readonly number[]) {
    this.#o = o;
    this.#expected = new Map(stages.map((stage) => [addressOf(o, stage).name, stage]));
  }

  came(link: Link): void {
    const stage = this.#expected.get(link.peer.nodeId);
    if (stage === undefined) {
      link.fail(`${this.#o.node.name} does not expect ${link.peer.nodeId}, or has it already`);
      return;
    }
    this.#expected.delete(link.peer.nodeId);
    this.#links.push([stage, link]);
    this.#arrived();
  }

  /** Resolves when all have come. */
  async all(signal: AbortSignal): Promise<[number, Link][]> {
    const { node, timeout_s } = this.#o;
    const start_ms = performance.now();
    for (let attempt = 0; this.#expected.size > 0; attempt++) {
      signal.throwIfAborted();
      const stages = [...this.#expected.values()].map((stage) => addressOf(this.#o, stage));
      if (performance.now() - start_ms > timeout_s * 1000) {
        const missing = stages.map(({ name, address }) => `${name} (${address})`).join(", ");
        throw new RavnError(
          `${node.name} waited ${timeout_s} s for ${missing} to connect; is it started, with the ` +
            `same plan, and can it reach ${addressOf(this.#o, node.stage).address}?`,
          { exitCode: 1 },
        );
      }
      if (attempt > 0) { for (const peer of stages) waiting(this.#o, peer, attempt); }
      await this.#pause(signal);
    }
    return this.#links;
  }

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, REMIND_MS);
      signal.addEventListener("abort", done);
      this.#arrived = done;
    });
  }
}
