import { formatAddress } from "../core/address.ts";
import { EXIT, messageOf, RavnError } from "../core/error.ts";
import { pause, withDeadline } from "./deadline.ts";
import { type Agreement, answer } from "./handshake.ts";
import { type Limits, limitsWith } from "./limits.ts";
import type { Link } from "./link.ts";
import { LocalConn, type SharedMemory } from "./local_conn.ts";
import { oneLine } from "./one_line.ts";
import { PeerLink } from "./peer_link.ts";
import type { RawConn, Via } from "./raw_conn.ts";
import type { Session } from "./session.ts";
import { closeUnix, listenUnix } from "./unix_listener.ts";

/** Which sockets peers of one host may use: `"auto"` is a Unix socket where it works, else TCP. */
export type Sockets = "auto" | "tcp" | "unix";

/** What {@linkcode listen} needs to know. */
export interface ListenOptions {
  readonly session: Session;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly sockets?: Sockets;
  readonly limits?: Partial<Limits>;
  /** What peers of one host may share beside a Unix socket; they do without if absent. */
  readonly memory?: SharedMemory;
  /** A peer connected and proved that it belongs to the run. */
  onLink(link: Link): void;
  /** Somebody connected and was not let in. */
  onRefused?(reason: RavnError): void;
}

/** A node's door. */
export interface Listener {
  /** As peers have to write it, with the real port. */
  readonly address: string;
  readonly port: number;
  /** Path of the Unix socket, if there is one. */
  readonly path: string | undefined;
  /** Lets nobody in any more; the port is free after it. Links that are open stay open. */
  close(): Promise<void>;
}

/**
 * Waits for peers on TCP and, for those of this host, on a Unix socket.
 *
 * @throws {RavnError} when the port is in use or the address is not one of this machine.
 */
export async function listen(o: ListenOptions): Promise<Listener> {
  if (o.session.token === "") throw new RavnError("a run without a token cannot let peers in");
  const { nodeId } = o.session.self;
  const tcp = listenTcp(nodeId, o.host, o.port);
  const { port } = tcp.addr;
  const door = new Door(o);
  door.open(tcp, "tcp");
  let path: string | undefined;
  if (o.sockets !== "tcp") {
    const unix = await listenUnix(o.session.token, port);
    if (unix.listener) {
      path = unix.path;
      door.open(unix.listener, "unix");
    } else if (o.sockets === "unix") {
      await door.close();
      throw new RavnError(`${nodeId}: no Unix socket for port ${port}: ${unix.reason}`);
    }
  }
  return {
    address: formatAddress({ host: o.host, port }),
    port,
    path,
    close: async () => {
      if (path !== undefined) closeUnix(path);
      await door.close();
    },
  };
}

function listenTcp(nodeId: string, host: string, port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: host, port });
  } catch (error) {
    const why = messageOf(error);
    if (error instanceof Deno.errors.AddrInUse) {
      throw new RavnError(
        `${nodeId}: port ${port} on ${host} is in use (${why}); free it or change IP in ` +
          `node_data/node_configs.json`,
        { cause: error },
      );
    }
    throw new RavnError(
      `${nodeId}: cannot listen on ${formatAddress({ host, port })} (${why}); IP in ` +
        `node_data/node_configs.json must be an address of this machine`,
      { cause: error },
    );
  }
}

/** Accepts connections and leads each through the handshake. */
class Door {
  readonly #o: ListenOptions;
  readonly #limits: Limits;
  readonly #listeners: Deno.Listener[] = [];
  /** Connections that have not finished the handshake. */
  readonly #guests = new Set<RawConn>();
  readonly #accepting: Promise<void>[] = [];
  #isClosed = false;

  constructor(o: ListenOptions) {
    this.#o = o;
    this.#limits = limitsWith(o.limits);
  }

  open(listener: Deno.Listener, via: Via): void {
    this.#listeners.push(listener);
    this.#accepting.push(this.#accept(listener, via));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.close();
    for (const guest of this.#guests) closeQuietly(guest);
    await Promise.all(this.#accepting);
  }

  async #accept(listener: Deno.Listener, via: Via): Promise<void> {
    while (!this.#isClosed) {
      let conn: Deno.Conn;
      try {
        conn = await listener.accept();
      } catch {
        // A guest that left at once, no more file handles for now, or the listener is closed.
        if (!this.#isClosed) await pause(20);
        continue;
      }
      if (this.#guests.size >= this.#limits.unauthenticated) conn.close();
      else this.#welcome(conn, via);
    }
  }

  async #welcome(conn: Deno.Conn, via: Via): Promise<void> {
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
    const limits = this.#limits;
    const { session, memory } = this.#o;
    const raw = via === "unix" && memory !== undefined ? new LocalConn(conn, memory) : conn;
    let agreement: Agreement;
    this.#guests.add(conn);
    try {
      agreement = await withDeadline(answer(raw, session, limits), {
        ms: limits.handshake_ms,
        what: "the handshake",
        cancel: () => closeQuietly(conn),
      });
    } catch (error) {
      closeQuietly(conn);
      return this.#refused(error, conn);
    } finally {
      this.#guests.delete(conn);
    }
    this.#o.onLink(new PeerLink({ ...agreement, conn: raw, via, self: session.self, limits }));
  }

  #refused(error: unknown, conn: Deno.Conn): void {
    if (this.#isClosed || this.#o.onRefused === undefined) return;
    if (error instanceof RavnError) return this.#o.onRefused(error);
    const { remoteAddr: from } = conn;
    const who = from.transport === "tcp" ? `a guest from ${from.hostname}` : "a guest of this host";
    const text = `${this.#o.session.self.nodeId} did not let in ${who}: ${messageOf(error)}`;
    this.#o.onRefused(new RavnError(oneLine(text), { exitCode: EXIT.failure }));
  }
}

function closeQuietly(conn: RawConn): void {
  try {
    conn.close();
  } catch {
    // It is closed already.
  }
}
