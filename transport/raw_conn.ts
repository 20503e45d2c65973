/**
 * A stream of bytes in both directions: `Deno.TcpConn` and `Deno.UnixConn` are ones, tests use
 * pipes in memory, and a TLS connection can be made one.
 */
export interface RawConn {
  /** Reads at least one byte into `target` and returns how many; null at the end. */
  read(target: Uint8Array): Promise<number | null>;
  /**
   * Writes at least one byte of `source` and returns how many.
   *
   * @param more another write follows at once, so the peer need not be woken for this one
   */
  write(source: Uint8Array, more?: boolean): Promise<number>;
  /** Ends a pending read at once where bytes have come; else nothing happens. */
  look?(): void;
  /** Ends a pending read and a pending write, which then throw or return null. */
  close(): void;
  /** Memory that the connection can move to; absent where there is none. */
  readonly memory?: MemoryOffer;
}

/** How both ends of a connection agree to move from a socket to memory that they share. */
export interface MemoryOffer {
  /** The side that connects makes the memory. Its name; `""` where there is none to be had. */
  offer(): string;
  /** The side that listens opens it; false where it cannot. */
  take(name: string): boolean;
  /** Both have agreed: from here on bytes go through the memory. */
  begin(): void;
  /** They have not: the memory is given back. */
  decline(): void;
}

/** What a link runs over. `"memory"` is for tests. */
export type Via = "tcp" | "unix" | "memory";

/** The connection ended where more was due: the peer is gone, which is no fault of its protocol. */
export class ConnectionEnded extends Error {
  override readonly name = "ConnectionEnded";
}
