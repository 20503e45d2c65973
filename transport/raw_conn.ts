/**
 * A stream of bytes in both directions: `Deno.TcpConn` and `Deno.UnixConn` are ones, tests use
 * pipes in memory, and a TLS connection can be made one.
 */
export interface RawConn {
  /** Reads at least one byte into `target` and returns how many; null at the end. */
  read(target: Uint8Array): Promise<number | null>;
  /** Writes at least one byte of `source` and returns how many. */
  write(source: Uint8Array): Promise<number>;
  /** Ends a pending read and a pending write, which then throw or return null. */
  close(): void;
}

/** What a link runs over. `"memory"` is for tests. */
export type Via = "tcp" | "unix" | "memory";

/** The connection ended where more was due: the peer is gone, which is no fault of its protocol. */
export class ConnectionEnded extends Error {
  override readonly name = "ConnectionEnded";
}
