import { EXIT, messageOf, RavnError } from "../error.ts";
import type { NodeConfig } from "../planning/mod.ts";
import { createShared, openShared } from "../runtime/mod.ts";
import { dial, listen } from "../../transport/mod.ts";
import type { Link, Listener, Session, Sockets } from "../../transport/mod.ts";
import { resolvesWithin } from "./deadline.ts";
import type { RunHost } from "./events.ts";
import type { LinkMeasurement } from "./link_echo.ts";
import { ProbeLink } from "./probe_link.ts";
import type { NodeReport, ProbedMachine } from "./probe_link.ts";
import { Turn } from "./turn.ts";

const MEMORY = { create: createShared, open: openShared };
/** In the place of a plan's hash: nobody who trains is to be measured. */
const PROBE_HASH = "0".repeat(64);
/** Reports of nodes that are linked are waited for so long after the deadline. */
const REPORT_MS = 5_000;

/** Whose links are measured, and how long the others are waited for. */
export interface ProbeLinksOptions {
  readonly self: NodeConfig;
  readonly others: readonly NodeConfig[];
  readonly machine: ProbedMachine;
  readonly token: string;
  readonly timeout_s: number;
  readonly sockets: Sockets;
  readonly host: RunHost;
}

/** A link as it was found. */
export interface ProbedLink extends LinkMeasurement {
  readonly node: NodeConfig;
  readonly via: string;
}

/** What came of all links of a node. */
export interface ProbedLinks {
  readonly links: readonly ProbedLink[];
  /** Nodes that did not answer, or were lost, and why. */
  readonly missing: readonly { readonly node: NodeConfig; readonly why: string }[];
  /** What nodes that answered found themselves, by id. */
  readonly reports: ReadonlyMap<number, NodeReport>;
}

/**
 * Measures the links to all other nodes, which do the same at the same time: a node dials those
 * with higher ids and lets the others in. Waits until all links are known, or the time is over.
 *
 * @throws {RavnError} where the node's own port is taken, or the user stops it
 */
export async function probeLinks(o: ProbeLinksOptions): Promise<ProbedLinks> {
  const { others, host, machine } = o;
  const prober = new LinkProber(o);
  const listener = await prober.listen();
  try {
    const tries = others.map((node) =>
      prober.probe(node).catch((thrown) => ({ node, why: messageOf(thrown) }))
    );
    const found = await Promise.all(tries);
    if (host.signal.aborted) {
      throw new RavnError("stopped by the user", { exitCode: EXIT.interrupted });
    }
    const links = found.filter((each) => "via" in each);
    return {
      links,
      missing: found.filter((each) => "why" in each),
      reports: await exchange(prober.joined, { machine, ways: waysOf(links) }),
    };
  } finally {
    const bye = [...prober.joined.values()].map(({ link }) =>
      link.close({ reason: "all is measured" })
    );
    await Promise.all([...bye, listener.close()]);
  }
}

/** Joins the other nodes, and measures the link to each. */
class LinkProber {
  /** Nodes that there is a link to, by id. */
  readonly joined = new Map<number, ProbeLink>();
  readonly #o: ProbeLinksOptions;
  readonly #session: Session;
  readonly #turn = new Turn();
  /** The nodes that dial this one. */
  readonly #arrivals: ReadonlyMap<number, PromiseWithResolvers<ProbeLink>>;
  readonly #over: AbortSignal;

  constructor(o: ProbeLinksOptions) {
    const { self, others, token } = o;
    this.#o = o;
    this.#session = {
      self: { nodeId: self.name, address: self.address.text },
      token,
      runHash: PROBE_HASH,
    };
    const earlier = others.filter(({ id }) => id < self.id);
    this.#arrivals = new Map(earlier.map(({ id }) => [id, Promise.withResolvers()]));
    this.#over = AbortSignal.any([o.host.signal, AbortSignal.timeout(o.timeout_s * 1000)]);
  }

  /** Lets in the nodes that dial this one. */
  listen(): Promise<Listener> {
    const { self, sockets, host } = this.#o;
    return listen({
      session: this.#session,
      host: self.address.host,
      port: self.address.port,
      sockets,
      memory: MEMORY,
      onLink: (link) => this.#welcome(link),
      onRefused: ({ message }) => host.emit({ event: "warning", message }),
    });
  }

  /** @throws {RavnError} where the node does not answer in time, or is lost */
  async probe(node: NodeConfig): Promise<ProbedLink> {
    const arrival = this.#arrivals.get(node.id);
    const probed = arrival === undefined
      ? await this.#dial(node)
      : await until(this.#over, arrival.promise, node);
    const found = await (arrival === undefined ? probed.measure() : probed.measured);
    const { host, self } = this.#o;
    host.emit({ event: "log", message: linkText(self, node, found) });
    return { node, via: probed.link.via, ...found };
  }

  #welcome(link: Link): void {
    const { self, others } = this.#o;
    const node = others.find(({ name }) => name === link.peer.nodeId);
    const arrival = node && this.#arrivals.get(node.id);
    if (node === undefined || arrival === undefined || this.joined.has(node.id)) {
      link.fail(`${self.name} does not expect ${link.peer.nodeId}, or has it already`);
      return;
    }
    arrival.resolve(this.#join(node, link));
  }

  async #dial(node: NodeConfig): Promise<ProbeLink> {
    const { name, address: { text: address } } = node;
    const { self, sockets, timeout_s, host } = this.#o;
    const link = await dial({
      session: this.#session,
      peer: { nodeId: name, address },
      sockets,
      command: "ravn probe",
      deadline_ms: timeout_s * 1000,
      signal: host.signal,
      memory: MEMORY,
      onWaiting: (attempt) =>
        host.emit({ event: "waiting", node: self.name, peer: name, address, attempt }),
    });
    return this.#join(node, link);
  }

  #join(node: NodeConfig, link: Link): ProbeLink {
    const probed = new ProbeLink(link, this.#turn);
    this.joined.set(node.id, probed);
    return probed;
  }
}

/** Tells all nodes that answered what this one found, and takes in what they did. */
async function exchange(
  joined: ReadonlyMap<number, ProbeLink>,
  report: NodeReport,
): Promise<Map<number, NodeReport>> {
  const reports = new Map<number, NodeReport>();
  const told = [...joined].map(async ([id, probed]) => {
    await probed.send(report);
    reports.set(id, await probed.report);
  });
  await resolvesWithin(REPORT_MS, Promise.allSettled(told));
  return reports;
}

/** The ways from this node to others. */
export function waysOf(links: readonly ProbedLink[]): NodeReport["ways"] {
  return new Map(links.map(({ node, out_mbps, latency_ms }) => [
    node.id,
    { mbps: out_mbps, latency_ms },
  ]));
}

function linkText({ name }: NodeConfig, other: NodeConfig, found: LinkMeasurement): string {
  const { out_mbps, in_mbps, latency_ms } = found;
  return `${name} and ${other.name}: ${Math.round(out_mbps)} Mbit/s there, ` +
    `${Math.round(in_mbps)} back, ${latency_ms.toPrecision(2)} ms one way`;
}

/** Waits for a node that dials this one. */
function until<T>(signal: AbortSignal, arrival: Promise<T>, node: NodeConfig): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () =>
    reject(
      new RavnError(
        `it did not connect; start it with "ravn probe --name ${node.name}", with the same token ` +
          `and node file`,
        { exitCode: EXIT.failure },
      ),
    );
  if (signal.aborted) late();
  else signal.addEventListener("abort", late);
  return Promise.race([arrival, promise]).finally(() => signal.removeEventListener("abort", late));
}
