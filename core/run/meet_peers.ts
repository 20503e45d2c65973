import { readAddress } from "../address.ts";
import { EXIT, messageOf, RavnError } from "../error.ts";
import { createShared, openShared } from "../runtime/mod.ts";
import type { StageManifest } from "../training/mod.ts";
import { dial, listen } from "../../transport/mod.ts";
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
  /** Nodes of other clusters with which this one averages. */
  readonly partners: readonly Partner[];
  readonly token: string;
  /** How long to wait for everybody. */
  readonly timeout_s: number;
  /** Silence after which a peer counts as lost. */
  readonly silence_s: number;
  readonly sockets: Sockets;
  readonly host: RunHost;
}

/** A node as it is called, and where it listens. */
type Peer = Pick<NodeFile["peers"][number], "name" | "address">;

/** A node of another cluster. */
type Partner = Peer & { readonly cluster: number };

/** The links of a stage, for as long as it runs. */
export interface Meeting extends AsyncDisposable {
  /** Links within the cluster, by stage. */
  readonly links: ReadonlyMap<number, Link>;
  /** Links to nodes of other clusters, by name. */
  readonly partners: ReadonlyMap<string, Link>;
}

/**
 * Connects a stage to all stages with which it exchanges tensors, whoever starts first: it dials
 * the later ones (and nodes of later clusters) and lets the earlier ones in. It keeps its port
 * until the meeting is disposed of, so that a node that is started twice learns so at once.
 *
 * @throws {RavnError} when the port is taken, a peer does not come in time, leaves before all have
 * come, or has another token or plan; the peers that have come are told
 */
export async function meetPeers(o: MeetingOptions): Promise<Meeting> {
  const { node } = o;
  const { dialled, awaited } = peersOf(o);
  const links = new Map<string, Link>();
  if (dialled.length + awaited.length === 0) {
    return { ...sorted(o, links), [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const session: Session = {
    self: { nodeId: node.name, address: stagePeer(o, node.stage).address },
    token: o.token,
    runHash: node.plan_hash,
  };
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, o.host.signal]);
  const left = Promise.withResolvers<never>();
  const came = (name: string, link: Link) => {
    links.set(name, link);
    link.closed.then((closed) => left.reject(leftEarly(link, closed)));
  };
  const arrivals = new Arrivals(o, awaited, came);
  const listener = await listen({
    session,
    host: node.local_host,
    port: readAddress(session.self.address).port,
    sockets: o.sockets,
    limits: limitsOf(o),
    memory: MEMORY,
    onLink: (link) => arrivals.came(link),
    onRefused: ({ message }) => o.host.emit({ event: "warning", message }),
  });
  const dialling = dialled.map(async (peer) => {
    came(peer.name, await dialPeer(o, session, peer, signal));
  });
  try {
    await Promise.race([Promise.all([arrivals.all(signal), ...dialling]), left.promise]);
    return { ...sorted(o, links), [Symbol.asyncDispose]: () => listener.close() };
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

function stagePeer({ node }: MeetingOptions, stage: number): Peer {
  return node.peers.find((peer) => peer.stage === stage)!;
}

/** Whom this node dials, and whom it lets in. */
function peersOf(o: MeetingOptions): { readonly dialled: Peer[]; readonly awaited: Peer[] } {
  const { producers, consumers } = neighboursOf(o.manifest);
  const isLater = ({ cluster }: Partner) => cluster > o.node.rank;
  return {
    dialled: [...consumers.map((stage) => stagePeer(o, stage)), ...o.partners.filter(isLater)],
    awaited: [
      ...producers.map((stage) => stagePeer(o, stage)),
      ...o.partners.filter((partner) => !isLater(partner)),
    ],
  };
}

/** The links within the cluster, and those to other clusters. */
function sorted(
  { node, partners }: MeetingOptions,
  links: ReadonlyMap<string, Link>,
): Pick<Meeting, "links" | "partners"> {
  const within = node.peers.flatMap(({ stage, name }) => {
    const link = links.get(name);
    return link === undefined ? [] : [[stage, link] as const];
  });
  return {
    links: new Map(within),
    partners: new Map(partners.map(({ name }) => [name, links.get(name)!])),
  };
}

function limitsOf({ silence_s }: MeetingOptions) {
  return { silence_ms: silence_s * 1000 };
}

function dialPeer(
  o: MeetingOptions,
  session: Session,
  { name, address }: Peer,
  signal: AbortSignal,
): Promise<Link> {
  return dial({
    session,
    peer: { nodeId: name, address },
    sockets: o.sockets,
    deadline_ms: o.timeout_s * 1000,
    signal,
    limits: limitsOf(o),
    memory: MEMORY,
    onWaiting: (attempt) => waiting(o, { name, address }, attempt),
  });
}

function waiting({ node, host }: MeetingOptions, { name, address }: Peer, attempt: number): void {
  host.emit({ event: "waiting", node: node.name, peer: name, address, attempt });
}

/** The earlier stages, and nodes of earlier clusters, which dial this one. */
class Arrivals {
  readonly #o: MeetingOptions;
  readonly #expected: Map<string, Peer>;
  readonly #came: (name: string, link: Link) => void;
  #arrived: () => void = () => {};

  constructor(
    o: MeetingOptions,
    peers: readonly Peer[],
    came: (name: string, link: Link) => void,
  ) {
    this.#o = o;
    this.#came = came;
    this.#expected = new Map(peers.map((peer) => [peer.name, peer]));
  }

  came(link: Link): void {
    const { nodeId } = link.peer;
    if (!this.#expected.has(nodeId)) {
      link.fail(`${this.#o.node.name} does not expect ${nodeId}, or has it already`);
      return;
    }
    this.#expected.delete(nodeId);
    this.#came(nodeId, link);
    this.#arrived();
  }

  /** Resolves when all have come. */
  async all(signal: AbortSignal): Promise<void> {
    const { timeout_s } = this.#o;
    const end_ms = performance.now() + timeout_s * 1000;
    for (let attempt = 0; this.#expected.size > 0; attempt++) {
      signal.throwIfAborted();
      const left_ms = end_ms - performance.now();
      const missing = [...this.#expected.values()];
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
        `same plan, and can it reach ${stagePeer(this.#o, node.stage).address}?`,
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
