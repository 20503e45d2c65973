import { type Address, dialHost, isLocal, readAddress } from "../core/address.ts";
import { EXIT, messageOf, RavnError } from "../core/error.ts";
import { pause, withDeadline } from "./deadline.ts";
import { greet } from "./handshake.ts";
import { type Limits, limitsWith } from "./limits.ts";
import type { Link } from "./link.ts";
import type { Sockets } from "./listen.ts";
import type { Identity } from "./message.ts";
import { LocalConn, type SharedMemory } from "./local_conn.ts";
import { oneLine } from "./one_line.ts";
import { PeerLink } from "./peer_link.ts";
import type { Via } from "./raw_conn.ts";
import type { Session } from "./session.ts";
import { checkDirectory, unixPath } from "./unix_path.ts";

/** What {@linkcode dial} needs to know. */
export interface DialOptions {
  readonly session: Session;
  /** Who is expected to answer, and where. */
  readonly peer: Identity;
  readonly sockets?: Sockets;
  /** How long to wait for the peer to come up. */
  readonly deadline_ms: number;
  readonly signal?: AbortSignal;
  readonly limits?: Partial<Limits>;
  /** What peers of one host may share beside a Unix socket; they do without if absent. */
  readonly memory?: SharedMemory;
  /** The command that starts the peer, for messages; `ravn provide` if absent. */
  readonly command?: string;
  /** An attempt failed and another follows. */
  onWaiting?(attempt: number, reason: string): void;
}

const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 2_000;

/**
 * Connects to a peer, which may not have been started yet: tries again with growing pauses until
 * the deadline. A peer of this host is reached through its Unix socket if it has one.
 *
 * @throws {RavnError} when the deadline has passed, or at once when the peer can never be joined:
 * another run token, another plan, another node at that address. The reason of `signal` when that
 * is aborted.
 */
export async function dial(o: DialOptions): Promise<Link> {
  if (o.session.token === "") throw new RavnError("a run without a token cannot join peers");
  const address = readAddress(o.peer.address);
  const limits = limitsWith(o.limits);
  const start_ms = performance.now();
  let pause_ms = PAUSE_MS_MIN;
  for (let attempt = 1;; attempt++) {
    o.signal?.throwIfAborted();
    const left_ms = o.deadline_ms - (performance.now() - start_ms);
    const result = await attemptToDial(o, address, limits, Math.max(1, left_ms));
    if (typeof result !== "string") return result;
    const rest_ms = o.deadline_ms - (performance.now() - start_ms);
    if (rest_ms <= pause_ms) throw nobodyThere(o, oneLine(result, 300));
    o.onWaiting?.(attempt, oneLine(result, 300));
    await pause(pause_ms, o.signal);
    pause_ms = Math.min(PAUSE_MS_MAX, pause_ms * 1.5);
  }
}

/** One attempt over each socket that there is; returns why it failed where another may succeed. */
async function attemptToDial(
  o: DialOptions,
  address: Address,
  limits: Limits,
  left_ms: number,
): Promise<Link | string> {
  const sockets = o.sockets ?? "auto";
  let reason = "no way to connect";
  if (sockets !== "tcp") {
    const path = await socketOf(o.session.token, address);
    if (path !== undefined) {
      const connect = () => Deno.connect({ transport: "unix", path });
      try {
        return await join(o, "unix", connect, limits, left_ms);
      } catch (error) {
        // Somebody else of the run may have that port on another interface: TCP will tell.
        if (o.signal?.aborted || (sockets === "unix" && error instanceof RavnError)) throw error;
        reason = messageOf(error);
      }
    } else reason = `it has no Unix socket for port ${address.port} here`;
  }
  if (sockets === "unix") return reason;
  const hostname = dialHost(address.host);
  const connect = (signal: AbortSignal) => Deno.connect({ hostname, port: address.port, signal });
  try {
    return await join(o, "tcp", connect, limits, left_ms);
  } catch (error) {
    if (o.signal?.aborted || error instanceof RavnError) throw error;
    return messageOf(error);
  }
}

/** The Unix socket of a peer on this host, if it may and can be used. */
async function socketOf(token: string, { host, port }: Address): Promise<string | undefined> {
  if (!isLocal(host, Deno.networkInterfaces().map((each) => each.address))) return undefined;
  const place = await unixPath(token, port);
  if (place.path === undefined || checkDirectory(place.directory) !== undefined) return undefined;
  try {
    return Deno.lstatSync(place.path).isSocket ? place.path : undefined;
  } catch {
    return undefined;
  }
}

/** Connects and shakes hands. */
async function join(
  o: DialOptions,
  via: Via,
  connect: (signal: AbortSignal) => Promise<Deno.Conn>,
  limits: Limits,
  left_ms: number,
): Promise<Link> {
  const controller = new AbortController();
  const connecting = connect(controller.signal);
  let conn: Deno.Conn;
  try {
    conn = await withDeadline(connecting, {
      ms: Math.min(limits.connect_ms, left_ms),
      what: "connecting",
      cancel: () => controller.abort(),
      signal: o.signal,
    });
  } catch (error) {
    connecting.then((late) => late.close(), () => {});
    throw error;
  }
  if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
  const raw = via === "unix" && o.memory !== undefined ? new LocalConn(conn, o.memory) : conn;
  try {
    const agreement = await withDeadline(greet(raw, o.session, o.peer, limits), {
      ms: Math.min(limits.handshake_ms, left_ms),
      what: "the handshake",
      cancel: () => close(conn),
      signal: o.signal,
    });
    // The peer is named as this node knows it, not as it calls itself.
    return new PeerLink({
      ...agreement,
      peer: o.peer,
      conn: raw,
      via,
      self: o.session.self,
      limits,
    });
  } catch (error) {
    close(conn);
    throw error;
  }
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed already.
  }
}

function nobodyThere(o: DialOptions, reason: string): RavnError {
  const { session, peer, deadline_ms, command = "ravn provide" } = o;
  return new RavnError(
    `${session.self.nodeId} waited ${
      deadline_ms / 1000
    } s for ${peer.nodeId} at ${peer.address}, ` +
      `which should listen there: ${reason}; start it with "${command} --name ${peer.nodeId}" ` +
      `or check IP in node_data/node_configs.json`,
    { exitCode: EXIT.failure },
  );
}
